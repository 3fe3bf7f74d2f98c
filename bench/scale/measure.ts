import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf } from '../../lib/errors.js';
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
import { until } from '../swarm.js';
import { persistently } from './persistently.js';
import { SimulatedSwarm } from './simulated-swarm.js';

const TASKS_PER_NODE = 50;
const SERVICES = 50;
const IDLE_SECONDS = 15;
const CHANGES_PER_SECOND = 100;
const CHANGING_SECONDS = 20;
/** Of nodes that are drained at once, and then of nodes that are lost at once, so that 500 tasks move each time. */
const LEAVING = 10;
/** Services that are updated together. */
const UPDATED = 10;
const PATIENCE = 900_000;

/** Seconds: on the clock, and of processors' time that the leader and all nodes together have taken. */
interface Cost {
  readonly seconds: number;
  readonly leader: number;
  readonly nodes: number;
}

interface Moved {
  readonly tasks: number;
  readonly seconds: number;
}

export interface Figures {
  readonly nodes: number;
  readonly tasks: number;
  readonly managers: number;
  /** Until all nodes had joined and knew what they need; until all tasks ran. */
  readonly joined: Cost;
  readonly placed: Cost;
  /** Of each manager, the leader first: share of a core while nothing happens, memory in bytes. */
  readonly idle: readonly number[];
  readonly rss: readonly number[];
  /** Milliseconds from a task's making until its node knew it, while services come and go. */
  readonly change: {
    readonly p50: number;
    readonly p99: number;
    readonly perSecond: number;
    /** Changes that were refused: the leadership moved, or what was to be removed had not been made for that. */
    readonly failed: number;
  };
  /** Until the tasks of drained nodes ran elsewhere. */
  readonly drained: Moved;
  /** Until those of nodes that had fallen silent did, from when the managers knew of the last. */
  readonly lost: Moved;
  readonly updated: Moved;
  /** Sessions that have ended by themselves: how many for each reason. */
  readonly endings: Readonly<Record<string, number>>;
}

/** @param say told what is being measured, as it begins */
export async function measure(nodes: number, managers: number, say: (step: string) => void): Promise<Figures> {
  say('starting managers');
  const swarm = await SimulatedSwarm.start(managers);
  const tasks = nodes * TASKS_PER_NODE;
  try {
    say('nodes join');
    const joined = await costed(swarm, async () => {
      swarm.addNodes(nodes);
      await until(async () => (await swarm.nodes()).connected === nodes, PATIENCE, 'not all nodes are there');
    });
    say(`${tasks} tasks are placed`);
    const placed = await costed(swarm, async () => {
      for (let i = 0; i < SERVICES; i++) await create(swarm, `service${i}`, tasks / SERVICES);
      await allRun(swarm, tasks);
    });
    const rss = (await inOrder(swarm)).map((manager) => manager.rss);
    say('nothing happens');
    const idle = await idleShares(swarm);
    say('services come and go');
    const change = await changes(swarm);
    say('nodes are drained');
    const drained = await drain(swarm, nodes, tasks);
    say('nodes are lost');
    const lost = await lose(swarm, tasks);
    say('services are updated');
    const updated = await update(swarm, tasks / SERVICES);
    await swarm.nodes();
    const { endings } = swarm;
    return { nodes, tasks, managers, joined, placed, idle, rss, change, drained, lost, updated, endings };
  } finally {
    await swarm.stop();
  }
}

/** The leader first. */
const inOrder = async (swarm: SimulatedSwarm) =>
  (await swarm.managers()).sort((a, b) => Number(b.leads) - Number(a.leads));

async function create({ control }: SimulatedSwarm, name: string, replicas: number): Promise<void> {
  const container = ContainerSpec.create({ image: 'registry.example/web:1', env: ['MODE=production'] });
  const update = UpdateConfig.create({ parallelism: 100, monitor: 0 });
  const spec = ServiceSpec.create({ name, replicated: { replicas }, task: TaskSpec.create({ container }), update });
  await persistently(async (repeated) => {
    try {
      await control.createService(CreateServiceRequest.create({ spec }));
    } catch (error) {
      if (!repeated || codeOf(error) !== 'ALREADY_EXISTS') throw error;
    }
  });
}

const allRun = (swarm: SimulatedSwarm, tasks: number) =>
  until(async () => (await swarm.leader()).running === tasks, PATIENCE, 'not all tasks run');

async function idleShares(swarm: SimulatedSwarm): Promise<number[]> {
  await sleep(2_000);
  const before = await inOrder(swarm);
  await sleep(IDLE_SECONDS * 1_000);
  const after = await inOrder(swarm);
  return after.map(({ cpu }, i) => (cpu - (before[i]?.cpu ?? Number.NaN)) / (IDLE_SECONDS * 1e6));
}

/** Services of one task come and go at a steady rate, whether or not the manager keeps up. */
async function changes(swarm: SimulatedSwarm): Promise<Figures['change']> {
  await swarm.nodes();
  const pending: Promise<unknown>[] = [];
  let failed = 0;
  const fails = () => {
    failed++;
  };
  const begun = performance.now();
  for (let i = 0; i < CHANGES_PER_SECOND * CHANGING_SECONDS; i++) {
    const wait = begun + (i * 1_000) / CHANGES_PER_SECOND - performance.now();
    if (wait > 0) await sleep(wait);
    const removed = `change${i - 2 * CHANGES_PER_SECOND - 1}`;
    const made =
      i % 2 === 0 || i < 2 * CHANGES_PER_SECOND
        ? create(swarm, `change${i}`, 1)
        : swarm.control.removeService(GetRequest.create({ ref: removed }));
    pending.push(made.catch(fails));
  }
  await Promise.all(pending);
  const perSecond = (pending.length * 1_000) / (performance.now() - begun);
  await sleep(2_000);
  const delays = [...(await swarm.nodes()).delays].sort((a, b) => a - b);
  const at = (q: number) => delays[Math.floor(q * (delays.length - 1))] ?? Number.NaN;
  const { services } = await persistently(() => swarm.control.listServices({ filters: [] }));
  for (const { spec } of services) {
    if (!spec.name.startsWith('change')) continue;
    await persistently(async (repeated) => {
      try {
        await swarm.control.removeService(GetRequest.create({ ref: spec.name }));
      } catch (error) {
        if (!repeated || codeOf(error) !== 'NOT_FOUND') throw error;
      }
    });
  }
  return { p50: at(0.5), p99: at(0.99), perSecond, failed };
}

async function drain(swarm: SimulatedSwarm, all: number, tasks: number): Promise<Moved> {
  await allRun(swarm, tasks);
  // Those that are lost later are the first ones.
  const last = new Set(Array.from({ length: LEAVING }, (_, i) => `node${all - i}`));
  const seconds = await timed(async () => {
    await persistently(async () => {
      const { nodes } = await swarm.control.listNodes(ListNodesRequest.create());
      const leaving = nodes.filter(({ description }) => last.has(description.hostname));
      const availability = NodeAvailability.DRAIN;
      await Promise.all(
        leaving.map(({ id, meta, spec }) =>
          swarm.control.updateNode({ id, version: meta.version, spec: { ...spec, availability } }),
        ),
      );
    });
    await until(async () => (await swarm.leader()).running < tasks, PATIENCE, 'no task has left a drained node');
    await allRun(swarm, tasks);
  });
  return { tasks: LEAVING * TASKS_PER_NODE, seconds };
}

/** They are down when they have been silent for three heartbeats, one after another: from the last on it is measured. */
async function lose(swarm: SimulatedSwarm, tasks: number): Promise<Moved> {
  const before = (await swarm.leader()).down;
  await swarm.nodes(LEAVING);
  const areDown = async () => (await swarm.leader()).down === before + LEAVING;
  await until(areDown, PATIENCE, 'not all lost nodes are down');
  const seconds = await timed(() => allRun(swarm, tasks));
  return { tasks: LEAVING * TASKS_PER_NODE, seconds };
}

async function update(swarm: SimulatedSwarm, replicas: number): Promise<Figures['updated']> {
  const refs = Array.from({ length: UPDATED }, (_, i) => GetRequest.create({ ref: `service${i}` }));
  const seconds = await timed(async () => {
    await Promise.all(
      refs.map((ref) =>
        persistently(async () => {
          const { service } = await swarm.control.getService(ref);
          const task = { ...service.spec.task, forceUpdate: service.spec.task.forceUpdate + 1 };
          const spec = { ...service.spec, task };
          await swarm.control.updateService({ id: service.id, version: service.meta.version, spec, rollback: false });
        }),
      ),
    );
    const isOver = async () => {
      const all = await persistently(() => Promise.all(refs.map((ref) => swarm.control.getService(ref))));
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

async function costed(swarm: SimulatedSwarm, work: () => Promise<unknown>): Promise<Cost> {
  const cpu = async () => ({ leader: (await swarm.leader()).cpu, nodes: (await swarm.nodes()).cpu });
  const before = await cpu();
  const seconds = await timed(work);
  const after = await cpu();
  return { seconds, leader: (after.leader - before.leader) / 1e6, nodes: (after.nodes - before.nodes) / 1e6 };
}
