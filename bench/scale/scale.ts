import { setTimeout as sleep } from 'node:timers/promises';
import {
  ContainerSpec,
  CreateServiceRequest,
  GetRequest,
  ListNodesRequest,
  NodeAvailability,
  ServiceSpec,
  TaskSpec,
  UpdateConfig,
  UpdateState,
} from '../../proto/gen/index.js';
import { keep, table } from '../run.js';
import { until } from '../swarm.js';
import { SimulatedSwarm } from './simulated-swarm.js';

const SIZES = [100, 300] as const;
const TASKS_PER_NODE = 50;
const SERVICES = 50;
const IDLE_SECONDS = 15;
const CHANGES_PER_SECOND = 100;
const CHANGING_SECONDS = 20;
/** Of nodes that are drained at once, so that 500 tasks move. */
const DRAINED = 10;
/** Services that are updated together. */
const UPDATED = 10;
const PATIENCE = 300_000;

interface Figures {
  readonly nodes: number;
  readonly tasks: number;
  /** Seconds: until all nodes had joined and knew what they need; until all tasks ran. */
  readonly joined: number;
  readonly placed: number;
  /** Of the manager: share of a core while nothing happens, memory in bytes. */
  readonly idle: number;
  readonly rss: number;
  /** Milliseconds from a task's making until its node knew it, while services come and go. */
  readonly change: { readonly p50: number; readonly p99: number; readonly perSecond: number };
  /** Seconds until the tasks of drained nodes ran elsewhere, and how many they were. */
  readonly drained: { readonly tasks: number; readonly seconds: number };
  /** Seconds of an update, and how many tasks it replaced. */
  readonly updated: { readonly tasks: number; readonly seconds: number };
}

/** One manager with simulated nodes of 50 tasks each: what it takes, and how that grows with their number. */
export async function scale(): Promise<void> {
  const all: Figures[] = [];
  for (const nodes of SIZES) {
    all.push(await measure(nodes));
    keep('scale', all);
    report(all);
  }
}

function report(all: readonly Figures[]): void {
  const seconds = (value: number) => `${value.toFixed(1)} s`;
  const rows: readonly (readonly [string, (of: Figures) => string])[] = [
    ['nodes, tasks', ({ nodes, tasks }) => `${nodes}, ${tasks}`],
    ['all nodes joined', ({ joined }) => seconds(joined)],
    ['all tasks run', ({ placed }) => seconds(placed)],
    ['per 1,000 tasks', ({ placed, tasks }) => seconds((placed * 1_000) / tasks)],
    ['CPU when nothing happens', ({ idle }) => `${(idle * 100).toFixed(1)} % of a core`],
    ['memory', ({ rss }) => `${(rss / 1e6).toFixed(0)} MB`],
    ['task made → node knows, at', ({ change }) => `${change.perSecond.toFixed(0)} changes/s`],
    ['  median, p99', ({ change }) => `${change.p50.toFixed(0)} ms, ${change.p99.toFixed(0)} ms`],
    ['drained nodes’ tasks elsewhere', ({ drained }) => `${drained.tasks} in ${seconds(drained.seconds)}`],
    ['rolling update', ({ updated }) => `${updated.tasks} in ${seconds(updated.seconds)}`],
  ];
  console.log(table(rows.map(([name, cell]) => [name, ...all.map(cell)])));
}

async function measure(nodes: number): Promise<Figures> {
  const swarm = await SimulatedSwarm.start();
  const tasks = nodes * TASKS_PER_NODE;
  try {
    const joined = await timed(async () => {
      swarm.addNodes(nodes);
      await until(async () => (await swarm.nodes()).connected === nodes, PATIENCE, 'not all nodes are there');
    });
    const placed = await timed(async () => {
      for (let i = 0; i < SERVICES; i++) await create(swarm, `service${i}`, tasks / SERVICES);
      await allRun(swarm, tasks);
    });
    const { rss } = await swarm.manager();
    const idle = await idleShare(swarm);
    const change = await changes(swarm);
    const drained = await drain(swarm, tasks);
    const updated = await update(swarm, tasks / SERVICES);
    return { nodes, tasks, joined, placed, idle, rss, change, drained, updated };
  } finally {
    await swarm.stop();
  }
}

async function create({ control }: SimulatedSwarm, name: string, replicas: number): Promise<void> {
  const container = ContainerSpec.create({ image: 'registry.example/web:1', env: ['MODE=production'] });
  const update = UpdateConfig.create({ parallelism: 100, monitor: 0 });
  const spec = ServiceSpec.create({ name, replicated: { replicas }, task: TaskSpec.create({ container }), update });
  await control.createService(CreateServiceRequest.create({ spec }));
}

const allRun = (swarm: SimulatedSwarm, tasks: number) =>
  until(async () => (await swarm.manager()).running === tasks, PATIENCE, 'not all tasks run');

async function idleShare(swarm: SimulatedSwarm): Promise<number> {
  await sleep(2_000);
  const { cpu } = await swarm.manager();
  await sleep(IDLE_SECONDS * 1_000);
  return ((await swarm.manager()).cpu - cpu) / (IDLE_SECONDS * 1e6);
}

/** Services of one task come and go at a steady rate, whether or not the manager keeps up. */
async function changes(swarm: SimulatedSwarm): Promise<Figures['change']> {
  await swarm.nodes();
  const pending: Promise<unknown>[] = [];
  const begun = performance.now();
  for (let i = 0; i < CHANGES_PER_SECOND * CHANGING_SECONDS; i++) {
    const wait = begun + (i * 1_000) / CHANGES_PER_SECOND - performance.now();
    if (wait > 0) await sleep(wait);
    const removed = `change${i - 2 * CHANGES_PER_SECOND - 1}`;
    pending.push(
      i % 2 === 0 || i < 2 * CHANGES_PER_SECOND
        ? create(swarm, `change${i}`, 1)
        : swarm.control.removeService(GetRequest.create({ ref: removed })),
    );
  }
  await Promise.all(pending);
  const perSecond = (pending.length * 1_000) / (performance.now() - begun);
  await sleep(2_000);
  const delays = [...(await swarm.nodes()).delays].sort((a, b) => a - b);
  const at = (q: number) => delays[Math.floor(q * (delays.length - 1))] ?? Number.NaN;
  for (const { spec } of (await swarm.control.listServices({ filters: [] })).services) {
    if (spec.name.startsWith('change')) await swarm.control.removeService(GetRequest.create({ ref: spec.name }));
  }
  return { p50: at(0.5), p99: at(0.99), perSecond };
}

async function drain(swarm: SimulatedSwarm, tasks: number): Promise<Figures['drained']> {
  await allRun(swarm, tasks);
  const { nodes } = await swarm.control.listNodes(ListNodesRequest.create());
  const seconds = await timed(async () => {
    await Promise.all(
      nodes.slice(1, 1 + DRAINED).map(({ id, meta, spec }) =>
        swarm.control.updateNode({
          id,
          version: meta.version,
          spec: { ...spec, availability: NodeAvailability.DRAIN },
        }),
      ),
    );
    await until(async () => (await swarm.manager()).running < tasks, PATIENCE, 'no task has left a drained node');
    await allRun(swarm, tasks);
  });
  return { tasks: DRAINED * TASKS_PER_NODE, seconds };
}

async function update(swarm: SimulatedSwarm, replicas: number): Promise<Figures['updated']> {
  const refs = Array.from({ length: UPDATED }, (_, i) => GetRequest.create({ ref: `service${i}` }));
  const seconds = await timed(async () => {
    await Promise.all(
      refs.map(async (ref) => {
        const { service } = await swarm.control.getService(ref);
        const task = { ...service.spec.task, forceUpdate: service.spec.task.forceUpdate + 1 };
        const spec = { ...service.spec, task };
        await swarm.control.updateService({ id: service.id, version: service.meta.version, spec, rollback: false });
      }),
    );
    const isOver = async () => {
      const all = await Promise.all(refs.map((ref) => swarm.control.getService(ref)));
      return all.every(({ service }) => service.updateStatus?.state === UpdateState.COMPLETED);
    };
    await until(isOver, PATIENCE, 'an update has not come to its end');
  });
  return { tasks: UPDATED * replicas, seconds };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return (performance.now() - begun) / 1_000;
}
