import { DockerSwarm } from './docker-swarm.js';
import { have, keep, median, table } from './run.js';
import { type BenchSwarm, taskProcesses, until } from './swarm.js';
import { TsSwarm } from './ts-swarm.js';

/** Milliseconds of each step, and bytes per node. */
interface Figures {
  readonly createFive: number;
  readonly scaleToFifty: number;
  readonly fiftyToFiveGone: number;
  readonly idleBytes: number;
  readonly loadedBytes: number;
}

const ROUNDS = 3;

/**
 * From the command to "running as the manager knows", side by side with a Docker Swarm of three
 * nodes on this machine. Each round has an overlay network of its own, new to all nodes. "Gone" is until no process of the removed tasks is left.
 */
export async function convergence(): Promise<void> {
  if (!have('dockerd')) throw new Error('the comparison needs dockerd: apt-get install docker.io');
  const results: Record<string, Figures[]> = {};
  for (const make of [() => new TsSwarm(), () => new DockerSwarm()]) {
    const swarm = make();
    try {
      await swarm.up();
      const idleBytes = swarm.nodeMemory(2);
      results[swarm.name] = [];
      for (let round = 0; round < ROUNDS; round++) {
        const network = `bench${round}`;
        await swarm.createNetwork(network);
        const figures = { ...(await measure(swarm, network)), idleBytes };
        console.log(swarm.name, JSON.stringify(figures));
        results[swarm.name]?.push(figures);
      }
    } finally {
      await swarm.down();
    }
  }
  report(results);
}

async function measure(swarm: BenchSwarm, network: string): Promise<Omit<Figures, 'idleBytes'>> {
  const running = (n: number) => async () => (await swarm.running('sleepers')) === n && taskProcesses() === n;
  const gone = (n: number) => () => taskProcesses() === n;
  const timed = async (command: () => Promise<void>, done: () => Promise<boolean> | boolean) => {
    const [, converged] = await Promise.all([command(), until(done, 120_000, swarm.name)]);
    return converged;
  };
  const createFive = await timed(() => swarm.createService('sleepers', 5, network), running(5));
  const scaleToFifty = await timed(() => swarm.scale('sleepers', 50), running(50));
  const loadedBytes = swarm.nodeMemory(2);
  const fiftyToFiveGone = await timed(() => swarm.scale('sleepers', 5), gone(5));
  await swarm.removeService('sleepers');
  await until(() => taskProcesses() === 0, 60_000, `${swarm.name}: removal`);
  return { createFive, scaleToFifty, fiftyToFiveGone, loadedBytes };
}

function report(results: Record<string, Figures[]>): void {
  const of = (name: string, key: keyof Figures) => median((results[name] ?? []).map((figures) => figures[key]));
  const steps: [string, keyof Figures, (v: number) => string][] = [
    ['create 5 replicas, until running', 'createFive', (v) => `${v.toFixed(0)} ms`],
    ['scale 5 → 50, until running', 'scaleToFifty', (v) => `${v.toFixed(0)} ms`],
    ['scale 50 → 5, until gone', 'fiftyToFiveGone', (v) => `${v.toFixed(0)} ms`],
    ['memory of a worker, idle', 'idleBytes', (v) => `${(v / 2 ** 20).toFixed(0)} MiB`],
    ['memory of a worker, 50 tasks on three nodes', 'loadedBytes', (v) => `${(v / 2 ** 20).toFixed(0)} MiB`],
  ];
  const rows = steps.map(([label, key, format]) => {
    const [ours, theirs] = [of('tsswarm', key), of('docker swarm', key)];
    return [label, format(ours), format(theirs), (ours / theirs).toFixed(2)];
  });
  console.log(table([['', 'tsswarm', 'docker swarm', 'ratio'], ...rows]));
  keep('convergence', { medianOf: ROUNDS, results });
}
