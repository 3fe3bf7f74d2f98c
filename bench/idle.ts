import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { nodeOf, runningTasks, tsswarm } from '../demo/cli.js';
import { daemonPid } from '../lab/daemons.js';
import { run, table } from './run.js';
import { taskRootfs, until } from './swarm.js';
import { CLI } from './ts-swarm.js';

/** Nodes and managers of the swarms that are watched. */
const SWARMS = [
  [2, 1],
  [3, 3],
] as const;
/** Milliseconds until what has just begun has settled, and for which it is watched then. */
const SETTLE = 45_000;
const WATCH = 60_000;

interface Use {
  /** Nanoseconds. */
  readonly cpu: number;
  /** How often a thread has given the processor up by itself. */
  readonly wakes: number;
}

/** What each daemon takes of a swarm in which nothing happens: a service with one task and a published port. */
export async function idle(): Promise<void> {
  for (const [nodes, managers] of SWARMS) {
    run(CLI, ['lab', 'up', '--nodes', String(nodes), '--managers', String(managers), '--dispatcher-heartbeat', '5m']);
    try {
      await publish();
      await sleep(SETTLE);
      await watch(nodes, managers);
    } finally {
      run(CLI, ['lab', 'down']);
    }
  }
}

async function publish(): Promise<void> {
  const image = '/var/tmp/bench-idle-image';
  run('sh', ['-c', `${taskRootfs(image)} && tar -C ${image} -cf ${image}.tar .`]);
  await tsswarm('image', 'import', `${image}.tar`, 'bench:1');
  run('rm', ['-rf', image, `${image}.tar`]);
  await tsswarm(
    ...['service', 'create', '--detach', '--name', 'web', '--publish', '8080:80', 'bench:1', 'sleep', '1d'],
  );
  await until(async () => (await runningTasks('web')).length === 1, 60_000, 'the task to run');
}

async function watch(nodes: number, managers: number): Promise<void> {
  const pids = Array.from({ length: nodes }, (_, i) => daemonPid(nodeOf(i + 1)) ?? Number.NaN);
  const before = pids.map(useOf);
  const begun = performance.now();
  await sleep(WATCH);
  const seconds = (performance.now() - begun) / 1000;
  const rows = pids.map((pid, i) => {
    const { cpu, wakes } = useOf(pid);
    const [cpuBefore, wakesBefore] = [before[i]?.cpu ?? 0, before[i]?.wakes ?? 0];
    const each = [(cpu - cpuBefore) / 1e6 / seconds, (wakes - wakesBefore) / seconds].map((value) => value.toFixed(1));
    return [`node${i + 1}`, `${each[0]} ms/s`, `${each[1]}/s`];
  });
  console.log(`${nodes} nodes, ${managers} of them managers, with nothing to do for ${WATCH / 1000} s:`);
  console.log(table([['daemon', 'processor', 'wake-ups'], ...rows]));
}

/** Of all threads of a process, as /proc/PID/task/TID/schedstat and status tell. */
function useOf(pid: number): Use {
  const uses = readdirSync(`/proc/${pid}/task`).map((thread): Use => {
    const folder = `/proc/${pid}/task/${thread}`;
    const [cpu] = readFileSync(`${folder}/schedstat`, 'utf8').split(' ');
    const [, wakes] = /^voluntary_ctxt_switches:\s+(\d+)/m.exec(readFileSync(`${folder}/status`, 'utf8')) ?? [];
    return { cpu: Number(cpu), wakes: Number(wakes) };
  });
  return uses.reduce((sum, use) => ({ cpu: sum.cpu + use.cpu, wakes: sum.wakes + use.wakes }));
}
