import { keep, table } from '../run.js';
import { type Figures, measure } from './measure.js';

/** Nodes and managers; `TSSWARM_BENCH_SCALE='[[1000,3]]'` measures others, of 40 nodes at least, and keeps nothing. */
const SIZES: readonly Size[] = [
  [100, 1],
  [300, 1],
  [1_000, 1],
  [1_000, 3],
];

type Size = readonly [nodes: number, managers: number];

/** Managers with simulated nodes of 50 tasks each: what it takes, and how that grows with their number. */
export async function scale(): Promise<void> {
  const asked = process.env.TSSWARM_BENCH_SCALE;
  const all: Figures[] = [];
  for (const [nodes, managers] of asked === undefined ? SIZES : (JSON.parse(asked) as readonly Size[])) {
    const begun = performance.now();
    const say = (step: string) =>
      console.log(`${size([nodes, managers])}, ${seconds((performance.now() - begun) / 1e3)}: ${step}`);
    all.push(await measure(nodes, managers, say));
    if (asked === undefined) keep('scale', all);
    report(all);
  }
}

const reasons = (endings: Figures['endings']) =>
  Object.entries(endings)
    .map(([reason, count]) => `${count}: ${reason}`)
    .join('; ') || 'none';
const seconds = (value: number) => `${value.toFixed(1)} s`;
const size = ([nodes, managers]: Size) => `${nodes} nodes, ${managers} ${managers === 1 ? 'manager' : 'managers'}`;

function report(all: readonly Figures[]): void {
  const percent = (value: number) => `${(value * 100).toFixed(1)} %`;
  const each = (values: readonly number[], cell: (value: number) => string) => values.map(cell).join(', ');
  const rows: readonly (readonly [string, (of: Figures) => string])[] = [
    ['nodes, tasks, managers', ({ nodes, tasks, managers }) => `${nodes}, ${tasks}, ${managers}`],
    ['all nodes joined', ({ joined }) => seconds(joined.seconds)],
    ['  of the leader’s CPU, per node', ({ joined, nodes }) => `${((joined.leader / nodes) * 1e3).toFixed(1)} ms`],
    ['all tasks run', ({ placed }) => seconds(placed.seconds)],
    ['  per 1,000 tasks', ({ placed, tasks }) => seconds((placed.seconds * 1_000) / tasks)],
    ['  of the leader’s CPU, per task', ({ placed, tasks }) => `${((placed.leader / tasks) * 1e3).toFixed(2)} ms`],
    ['  CPU: leader, nodes', ({ placed }) => `${seconds(placed.leader)}, ${seconds(placed.nodes)}`],
    ['managers’ CPU when nothing happens', ({ idle }) => `${each(idle, percent)} of a core`],
    ['managers’ memory', ({ rss }) => `${each(rss, (bytes) => (bytes / 1e6).toFixed(0))} MB`],
    ['task made → node knows, at', ({ change }) => `${change.perSecond.toFixed(0)} changes/s, ${change.failed} failed`],
    ['  median, p99', ({ change }) => `${change.p50.toFixed(0)} ms, ${change.p99.toFixed(0)} ms`],
    ['drained nodes’ tasks elsewhere', ({ drained }) => `${drained.tasks} in ${seconds(drained.seconds)}`],
    ['lost nodes’, once all are down', ({ lost }) => `${lost.tasks} in ${seconds(lost.seconds)}`],
    ['sessions that ended by themselves', ({ endings }) => reasons(endings)],
    ['rolling update', ({ updated }) => `${updated.tasks} in ${seconds(updated.seconds)}`],
  ];
  console.log(table(rows.map(([name, cell]) => [name, ...all.map(cell)])));
}
