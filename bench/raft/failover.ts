import { setTimeout as sleep } from 'node:timers/promises';
import { deferred } from '../../lib/async.js';
import { until } from '../swarm.js';
import type { Cluster, KvTarget } from './cluster.js';
import { openTarget } from './kv.js';

const VALUE = Buffer.alloc(256);
/** Milliseconds after which the client asks another member too; what it asked before may still be answered. */
const PATIENCE = 100;
/** Milliseconds of rest when all members have been asked, so that the client does not take their processor. */
const REST = 5;

/** Milliseconds from the leader's death to the next acknowledged write, once per round. */
export async function failovers(cluster: Cluster, rounds: number): Promise<number[]> {
  const members = cluster.target().members.length;
  const target = openTarget(cluster.target());
  const times: number[] = [];
  try {
    for (let round = 0; round < rounds; round++) {
      for (let member = 0; member < members; member++) await accepts(target, member);
      const killed = await cluster.killLeader();
      times.push((await nextWrite(target, members)) - killed);
      await cluster.restart();
    }
  } finally {
    await target.close();
  }
  return times;
}

/** Waits until the client is connected to a member, which may have been away. */
async function accepts(target: KvTarget, member: number): Promise<void> {
  const put = () =>
    target.put(member, 'failover', VALUE).then(
      () => true,
      () => false,
    );
  await until(put, 30_000, `no write through member ${member}`);
}

/** @returns `performance.now()` when the first of the writes is acknowledged that are tried at one member after another */
async function nextWrite(target: KvTarget, members: number): Promise<number> {
  const acknowledged = deferred<number>();
  let isOver = false;
  for (let attempt = 0; !isOver; attempt++) {
    const put = target.put(attempt % members, 'failover', VALUE).then(
      () => {
        isOver = true;
        acknowledged.resolve(performance.now());
      },
      () => undefined, // the member is dead or has no leader: the next one is asked
    );
    await Promise.race([put, acknowledged.promise, sleep(PATIENCE)]);
    if (attempt % members === members - 1 && !isOver) await sleep(REST);
  }
  return acknowledged.promise;
}
