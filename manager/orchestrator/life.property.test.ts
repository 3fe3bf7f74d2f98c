import { expect, test } from 'vitest';
import { type Random, seeded, seededIds } from '../../lib/seeded-random.js';
import {
  FailureAction,
  type Node,
  NodeAvailability,
  NodeState,
  PortConfig,
  RestartCondition,
  type Service,
  ServiceSpec,
  type Task,
  TaskState,
  TaskStateName,
  UpdateConfig,
  UpdateOrder,
  UpdateState,
} from '../../proto/gen/index.js';
import { Allocator } from '../allocator/allocator.js';
import { byAge, isDirty, isGlobal, isJob, isStopped, isWanted, slotKey } from '../common/tasks.js';
import { firstStatus } from '../jobs/runs.js';
import { Scheduler } from '../scheduler/scheduler.js';
import { isEvent } from '../store/store.js';
import { runLoops, type TestLoops } from '../testing/loops.js';
import { changeSpec, ingressNetwork, testCluster, testNode, testService, testTaskSpec } from '../testing/objects.js';
import { RandomMachines } from '../testing/random-swarm.js';
import { Orchestrator } from './orchestrator.js';
import { acceptsTasks, tolerates } from './plan.js';
import { TaskReaper } from './reaper.js';

/** `TSSWARM_LIFE_SEED=7` tries that one, `TSSWARM_LIFE_SEEDS=1000` as many. */
const { TSSWARM_LIFE_SEED: only, TSSWARM_LIFE_SEEDS: count = '40' } = process.env;
const seeds = only ? [Number(only)] : Array.from({ length: Number(count) }, (_, i) => i + 1);

const NODES = 4;
const STEPS = 120;
/** Milliseconds after which everything has come to rest: longer than any delay, back-off and monitor there is. */
const REST = 20 * 60_000;

interface World extends TestLoops {
  readonly random: Random;
  readonly machines: RandomMachines;
  readonly nodes: () => Node[];
  readonly services: () => Service[];
  names: number;
  readonly newId: () => string;
  /** What became of the tasks, by service. */
  readonly history: Map<string, string[]>;
}

const pick = <T>(random: Random, items: readonly T[]): T | undefined => items[random(items.length || 1)];

async function begin(seed: number): Promise<World> {
  const [random, newId] = [seeded(seed), seededIds(seed)];
  const loops = await runLoops(Orchestrator, Allocator, Scheduler, TaskReaper);
  const { store } = loops;
  await store.update((draft) => {
    draft.create('cluster', testCluster());
    draft.create('network', ingressNetwork());
    for (let i = 1; i <= NODES; i++) {
      const node = testNode(`node${i}`);
      draft.create('node', { ...node, id: newId(), spec: { ...node.spec, labels: { zone: i % 2 === 0 ? 'a' : 'b' } } });
    }
  });
  return {
    ...loops,
    random,
    newId,
    machines: new RandomMachines(store, loops.clock, random),
    nodes: () => [...store.view().list('node')],
    services: () => [...store.view().list('service')].filter((service) => !service.pendingDelete),
    names: 0,
    history: new Map(),
  };
}

function randomConfig(random: Random, actions: readonly FailureAction[]): UpdateConfig {
  return UpdateConfig.create({
    parallelism: random(3),
    delay: random(3) * 1e9,
    monitor: random(4) * 1e9,
    order: random(2) === 0 ? UpdateOrder.STOP_FIRST : UpdateOrder.START_FIRST,
    failureAction: pick(random, actions) ?? FailureAction.PAUSE,
    maxFailureRatio: random(2) * 0.3,
  });
}

function randomTask(random: Random) {
  const task = testTaskSpec(`image:${random(1000)}`);
  const condition = pick(random, [RestartCondition.ANY, RestartCondition.ANY, RestartCondition.ON_FAILURE]);
  return {
    ...task,
    restart: { ...task.restart, condition: condition ?? RestartCondition.ANY, delay: random(6) * 1e9 },
    placement: { ...task.placement, constraints: random(4) === 0 ? ['node.labels.zone==a'] : [] },
  };
}

function randomSpec(world: World): Service {
  const { random } = world;
  const modes = [
    { replicated: { replicas: random(7) } },
    { replicated: { replicas: random(7) } },
    { global: {} },
    { replicatedJob: { maxConcurrent: 1 + random(3), totalCompletions: 1 + random(6) } },
    { globalJob: {} },
  ];
  const mode = pick(random, modes) ?? {};
  const isLasting = 'replicated' in mode || 'global' in mode;
  const all = [FailureAction.PAUSE, FailureAction.CONTINUE, FailureAction.ROLLBACK];
  const ports = random(3) === 0 ? [PortConfig.create({ targetPort: 80 })] : [];
  const name = `s${world.names++}`;
  const spec = ServiceSpec.create({
    name,
    task: randomTask(random),
    endpoint: { mode: 0, ports },
    update: isLasting ? randomConfig(random, all) : undefined,
    rollback: isLasting ? randomConfig(random, all.slice(0, 2)) : undefined,
    ...mode,
  });
  return {
    ...testService(name, 0),
    id: world.newId(),
    spec,
    jobStatus: isLasting ? undefined : firstStatus(spec, world.clock.now()),
  };
}

/** One thing that operators, machines or the network do. */
async function disturb(world: World): Promise<void> {
  const { random, store, machines } = world;
  const service = pick(random, world.services());
  const node = pick(random, world.nodes());
  const change = (fields: (spec: ServiceSpec) => Partial<ServiceSpec>) =>
    service && changeSpec(store, service.id, (spec) => ({ ...spec, ...fields(spec) }));
  const actions: (() => Promise<unknown> | undefined)[] = [
    () => store.update((draft) => draft.create('service', { ...randomSpec(world), specVersion: draft.version + 1 })),
    () => (service && !isJob(service) ? change(() => ({ task: randomTask(random) })) : undefined),
    () => (service?.spec.replicated ? change(() => ({ replicated: { replicas: random(7) } })) : undefined),
    () =>
      service &&
      store.update((draft) => rollBack(draft.get('service', service.id), (to) => draft.update('service', to))),
    () =>
      service && random(4) === 0
        ? store.update((draft) => draft.update('service', { ...service, pendingDelete: true }))
        : undefined,
    () => node && machines.setAvailability(node, random(3) as NodeAvailability),
    () => node && machines.setAvailability(node, NodeAvailability.ACTIVE),
    () => (node && !machines.isSilent(node.id) ? machines.lose(node, random(2) === 0) : undefined),
    () => (node && machines.isSilent(node.id) ? machines.find(node) : undefined),
    () => (random(5) === 0 ? world.restart() : undefined),
  ];
  await pick(random, actions)?.();
}

/** What `service rollback` does. */
function rollBack(service: Service | undefined, update: (service: Service) => void): void {
  if (!service?.previousSpec || service.pendingDelete || isJob(service)) return;
  update({
    ...service,
    spec: service.previousSpec,
    specVersion: service.previousSpecVersion,
    previousSpec: undefined,
    previousSpecVersion: 0,
    updateStatus: { state: UpdateState.ROLLBACK_STARTED, startedAt: 1, completedAt: 0, message: '' },
  });
}

const startFirst = (config: UpdateConfig | undefined): boolean => config?.order === UpdateOrder.START_FIRST;

/** All that must hold at any time. @throws with what does not */
function checkOnTheWay(world: World): void {
  const view = world.store.view();
  const running = new Set(world.machines.running().filter((id) => !world.machines.isStray(id)));
  for (const service of view.list('service')) {
    const slots = new Map<string, Task[]>();
    for (const task of view.tasksOfService(service.id)) {
      if (!running.has(task.id) || task.jobIteration) continue;
      const key = slotKey(service, task);
      slots.set(key, [...(slots.get(key) ?? []), task]);
    }
    const startsFirst = [service.spec, service.previousSpec].some(
      (spec) => startFirst(spec?.update) || startFirst(spec?.rollback),
    );
    // A drained node's task and its successor, and the one of an update.
    const most = startsFirst ? 3 : 1;
    for (const [key, tasks] of slots) {
      if (tasks.length > most)
        throw new Error(`slot ${key} runs ${tasks.map(words)}\n${world.history.get(service.id)?.join('\n')}`);
    }
  }
}

const words = (task: Task): string =>
  `${task.id.slice(0, 6)} in ${task.slot} ${TaskStateName[task.status.state]}→${TaskStateName[task.desiredState]} v${task.specVersion} on ${task.nodeId.slice(0, 4)}: ${task.status.error}`;

/** What is there of a service when all has come to rest, and what there should be. */
function told(world: World, serviceId: string, line: string): void {
  const lines = world.history.get(serviceId) ?? [];
  world.history.set(serviceId, [...lines.slice(-50), `${world.clock.now()} ${line}`]);
}

const serviceWords = ({ spec, specVersion, updateStatus }: Service): string =>
  JSON.stringify([specVersion, updateStatus, spec.replicated, spec.update, spec.rollback]);

function difference(world: World, service: Service): string | undefined {
  const tasks = world.tasks(service.id);
  const fail = (what: string) =>
    [
      `${service.spec.name}: ${what}`,
      ...(world.history.get(service.id) ?? []),
      'at the end:',
      ...tasks.map(words),
    ].join('\n');
  const unwanted = tasks.filter((task) => !isWanted(task) && !isStopped(task));
  if (unwanted.length > 0) return fail('something still runs that is not wanted');
  const eligible = world.nodes().filter((node) => acceptsTasks(node) && tolerates(node, service.spec.task));
  const present = tasks.filter((task) => isWanted(task) && task.status.state === TaskState.RUNNING);
  if (isJob(service)) {
    const completed = tasks.filter((task) => task.status.state === TaskState.COMPLETE && !isDirty(service, task));
    const asked = service.spec.globalJob ? eligible.length : service.spec.replicatedJob?.totalCompletions;
    if (present.length > 0) return fail('a job still runs');
    const places = new Set(completed.map((task) => slotKey(service, task)));
    const enough = service.spec.globalJob ? eligible.every(({ id }) => places.has(id)) : places.size === asked;
    return enough || eligible.length === 0 ? undefined : fail(`${places.size} of ${asked} completed`);
  }
  const keys = isGlobal(service)
    ? eligible.map(({ id }) => id)
    : [...new Set(tasks.filter((t) => t.desiredState < TaskState.REMOVE).map((t) => slotKey(service, t)))];
  const inSlot = (key: string) => tasks.filter((task) => slotKey(service, task) === key);
  const newest = (key: string) => inSlot(key).sort(byAge).at(-1);
  const isHeld = (key: string) => isDone(newest(key)) || inSlot(key).some((t) => !isDirty(service, t) && isDone(t));
  const open = keys.filter((key) => !isHeld(key));
  const have = new Set(present.map((task) => slotKey(service, task)));
  if (have.size !== present.length) return fail('a slot runs twice');
  if (eligible.length === 0) return undefined;
  const missing = open.filter((key) => !have.has(key));
  if (missing.length > 0) return fail(`missing: ${missing}`);
  if (service.spec.replicated && keys.length !== service.spec.replicated.replicas) return fail(`${keys.length} slots`);
  const paused = [UpdateState.PAUSED, UpdateState.ROLLBACK_PAUSED] as (UpdateState | undefined)[];
  const shown = open.filter((key) => !have.has(key)).flatMap((key) => newest(key) ?? []);
  const dirty = [...present, ...shown].filter((task) => isDirty(service, task));
  if (dirty.length > 0 && !paused.includes(service.updateStatus?.state)) return fail('of an old spec');
  return undefined;
}

/** Its policy wants no successor. */
const isDone = (task: Task | undefined): boolean =>
  task?.status.state === TaskState.COMPLETE && task.spec.restart.condition === RestartCondition.ON_FAILURE;

async function rest(world: World): Promise<void> {
  for (const node of world.nodes()) {
    if (world.machines.isSilent(node.id)) await world.machines.find(node);
    if (node.spec.availability !== NodeAvailability.ACTIVE)
      await world.machines.setAvailability(node, NodeAvailability.ACTIVE);
  }
  const end = world.clock.now() + REST;
  while (world.clock.now() < end) {
    await world.machines.step(true);
    await world.settle();
    await world.clock.advance(1_000);
    checkOnTheWay(world);
    if (world.services().every((service) => difference(world, service) === undefined) && isQuiet(world)) return;
  }
}

const GOING: ReadonlySet<UpdateState | undefined> = new Set([UpdateState.UPDATING, UpdateState.ROLLBACK_STARTED]);

const isQuiet = (world: World) => world.services().every(({ updateStatus }) => !GOING.has(updateStatus?.state));

test.each(seeds)(
  'whatever happens, what runs in the end is what the specs ask for: TSSWARM_LIFE_SEED=%i',
  async (seed) => {
    const world = await begin(seed);
    const ending = new AbortController();
    const { commits } = world.store.watch(ending.signal, ['task', 'service']);
    const backwards: string[] = [];
    const watching = (async () => {
      for await (const { events } of commits) {
        for (const event of events) {
          if (isEvent(event, 'service')) told(world, event.object.id, serviceWords(event.object));
          if (!isEvent(event, 'task') || !event.old) continue;
          const { object, old } = event;
          told(world, object.serviceId, `${words(old)} became ${words(object)}`);
          if (
            object.status.state < old.status.state ||
            (old.desiredState > object.desiredState && old.desiredState > TaskState.COMPLETE)
          )
            backwards.push(`${words(old)} became ${words(object)}`);
        }
      }
    })();
    for (let step = 0; step < STEPS; step++) {
      if (world.random(2) === 0) await disturb(world);
      await world.settle();
      await world.machines.step(false);
      await world.settle();
      checkOnTheWay(world);
      await world.clock.advance(world.random(3_000));
    }
    await rest(world);
    for (const service of world.services()) expect(difference(world, service)).toBeUndefined();
    expect(
      world
        .services()
        .filter(({ updateStatus }) => GOING.has(updateStatus?.state))
        .map(({ id }) => world.history.get(id)?.join('\n')),
    ).toEqual([]);
    expect(world.nodes().every(({ status }) => status.state === NodeState.READY)).toBe(true);

    await world.store.batch(world.services(), (draft, { id }) => {
      const service = draft.get('service', id);
      if (service) draft.update('service', { ...service, pendingDelete: true });
    });
    await world.settle();
    for (let i = 0; i < 100 && [...world.store.view().list('task')].length > 0; i++) {
      await world.machines.step(true);
      await world.settle();
      await world.clock.advance(1_000);
    }
    expect([...world.store.view().list('task')].map(words)).toEqual([]);
    expect([...world.store.view().list('service')]).toEqual([]);
    expect(world.machines.running()).toEqual([]);
    ending.abort();
    await watching;
    expect(backwards).toEqual([]);
  },
);
