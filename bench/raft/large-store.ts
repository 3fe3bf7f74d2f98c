import { median } from '../run.js';
import { until } from '../swarm.js';
import { ManagerCluster } from './managers.js';

export interface LargeStoreFigures {
  readonly tasks: number;
  /** Seconds until all of them were acknowledged. */
  readonly fillSeconds: number;
  /** Resident memory of a member with none, and of the leader and a follower with all; bytes. */
  readonly rss: { readonly empty: number; readonly leader: number; readonly follower: number };
  /** Longest hold-up of the event loop while a snapshot was written, sent and restored; milliseconds. */
  readonly loopDelay: { readonly written: number; readonly sent: number; readonly restored: number };
  /** From its start until a member has all: by a snapshot of the leader's, and from its own disk; milliseconds. */
  readonly catchUp: { readonly bySnapshot: number; readonly fromDisk: number };
}

const TASKS = 50_000;
const SNAPSHOT_INTERVAL = 100;

/** What a store as large as a large swarm's costs: memory, and time in which the event loop does nothing else. */
export async function largeStore(folder: string): Promise<LargeStoreFigures> {
  const cluster = new ManagerCluster(folder, SNAPSHOT_INTERVAL);
  try {
    await cluster.start();
    const empty = (await cluster.status(2)).rss;
    await cluster.killMember(3);
    await cluster.resetDelay(1);
    const begun = performance.now();
    await cluster.fill(TASKS);
    const fillSeconds = (performance.now() - begun) / 1000;
    await until(async () => (await cluster.status(2)).tasks === TASKS, 30_000, 'a follower has not all tasks');
    // While it was filled the leader has written a snapshot with every hundredth entry.
    const { loopDelay: written, rss: leader } = await cluster.status(1);
    const follower = (await cluster.status(2)).rss;
    await cluster.resetDelay(1);
    const bySnapshot = await cluster.startMember(3);
    const sent = (await cluster.status(1)).loopDelay;
    const restored = (await cluster.status(3)).loopDelay;
    const restarts: number[] = [];
    for (let i = 0; i < 3; i++) {
      await cluster.killMember(3);
      restarts.push(await cluster.startMember(3));
    }
    const fromDisk = median(restarts);
    return {
      tasks: TASKS,
      fillSeconds,
      rss: { empty, leader, follower },
      loopDelay: { written, sent, restored },
      catchUp: { bySnapshot, fromDisk },
    };
  } finally {
    await cluster.stop();
  }
}

export function describeLargeStore({ tasks, fillSeconds, rss, loopDelay, catchUp }: LargeStoreFigures): string {
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
  const ms = (value: number) => `${value.toFixed(0)} ms`;
  return [
    `${tasks} tasks: written in ${fillSeconds.toFixed(1)} s; memory ${mb(rss.leader)} (leader), ${mb(rss.follower)} (follower), ${mb(rss.empty)} without them`,
    `event loop held up at most ${ms(loopDelay.written)} (filling, with snapshots), ${ms(loopDelay.sent)} (sending one), ${ms(loopDelay.restored)} (restoring one)`,
    `a member has all ${ms(catchUp.bySnapshot)} after its start by a snapshot of the leader's, ${ms(catchUp.fromDisk)} from its own disk`,
  ].join('\n');
}
