import { mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { have, keep, median, table } from '../run.js';
import type { Cluster } from './cluster.js';
import { EtcdCluster } from './etcd.js';
import { failovers } from './failover.js';
import { describeLargeStore, largeStore } from './large-store.js';
import type { LoadFigures, LoadOptions } from './load.js';
import { loadApart } from './load-process.js';
import { ManagerCluster } from './managers.js';

const ROUNDS = 3;
const FAILOVERS = 20;
const VALUE_BYTES = 256;
const LOADS: readonly LoadOptions[] = (['put', 'get'] as const).flatMap((operation) =>
  [1, 64, 256].map((clients) => ({ operation, clients, valueBytes: VALUE_BYTES, warmUpMs: 4_000, measureMs: 5_000 })),
);
/**
 * What members serve before they are measured: managers run for months, and what they do most is compiled by
 * then. A new process takes twice the processor's time for its first few thousand writes.
 */
const SETTLING: readonly LoadOptions[] = [
  { operation: 'put', clients: 64, valueBytes: VALUE_BYTES, warmUpMs: 0, measureMs: 15_000 },
  { operation: 'get', clients: 64, valueBytes: VALUE_BYTES, warmUpMs: 0, measureMs: 5_000 },
];

interface Figures {
  readonly loads: { readonly options: LoadOptions; readonly rounds: LoadFigures[] }[];
  failovers: readonly number[];
}

/**
 * Three members on one machine and one disk, their clients in another process: operations/s in a closed
 * loop, and the time from the leader's death to the next write. The systems take turns, each round
 * with new data.
 */
export async function raft(): Promise<void> {
  if (!have('etcd')) throw new Error('the comparison needs etcd: apt-get install etcd-server');
  const folder = mkdtempSync('/var/tmp/bench-raft-');
  const clusters: readonly Cluster[] = [
    new EtcdCluster(path.join(folder, 'etcd')),
    new ManagerCluster(path.join(folder, 'managers')),
  ];
  const figures = new Map<Cluster, Figures>(
    clusters.map((cluster) => [cluster, { loads: LOADS.map((options) => ({ options, rounds: [] })), failovers: [] }]),
  );
  try {
    for (let round = 0; round < ROUNDS; round++) {
      for (const [cluster, of] of figures) await whileUp(cluster, () => measureLoads(cluster, of));
    }
    for (const [cluster, of] of figures) {
      await whileUp(cluster, async () => {
        of.failovers = await failovers(cluster, FAILOVERS);
      });
    }
    const large = await largeStore(path.join(folder, 'large'));
    for (const [{ name }, of] of figures) report(name, of);
    compare([...figures.values()]);
    console.log(describeLargeStore(large));
    keep('raft', { ...Object.fromEntries([...figures].map(([{ name }, of]) => [name, of])), large });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The second system's operations/s and p99 in terms of the first's. */
function compare([first, second]: readonly Figures[]): void {
  const rows = LOADS.map(({ operation, clients }, index) => {
    const ratio = (key: keyof LoadFigures) => {
      const of = (figures: Figures | undefined) =>
        median(figures?.loads[index]?.rounds.map((round) => round[key]) ?? []);
      return `${(of(second) / of(first)).toFixed(2)} ×`;
    };
    return [`${operation}, ${clients}`, ratio('perSecond'), ratio('p50'), ratio('p99')];
  });
  console.log(table([['tsswarm / etcd', 'operations', 'p50', 'p99'], ...rows]));
}

async function whileUp(cluster: Cluster, work: () => Promise<void>): Promise<void> {
  try {
    await cluster.start();
    await work();
  } finally {
    await cluster.stop();
  }
}

async function measureLoads(cluster: Cluster, { loads }: Figures): Promise<void> {
  for (const options of SETTLING) await loadApart(cluster.target(), options);
  for (const { options, rounds } of loads) {
    const figures = await loadApart(cluster.target(), options);
    console.log(cluster.name, options.operation, options.clients, JSON.stringify(figures));
    rounds.push(figures);
  }
}

function report(name: string, { loads, failovers }: Figures): void {
  const rows = loads.map(({ options, rounds }) => {
    const of = (key: keyof LoadFigures, digits: number) => median(rounds.map((round) => round[key])).toFixed(digits);
    return [
      `${options.operation}, ${options.clients} ${options.clients === 1 ? 'client' : 'clients'}`,
      `${of('perSecond', 0)}/s`,
      `${of('p50', 1)} ms`,
      `${of('p99', 1)} ms`,
      `${of('max', 1)} ms`,
      of('clientCores', 2),
    ];
  });
  console.log(table([[name, 'operations', 'p50', 'p99', 'max', 'cores of the clients'], ...rows]));
  const [middle, worst] = [median(failovers), Math.max(...failovers)].map((ms) => `${ms.toFixed(0)} ms`);
  console.log(`${name}: leader killed until the next write: median ${middle}, worst ${worst}`);
}
