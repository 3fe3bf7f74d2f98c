import { describe, expect, test } from 'vitest';
import {
  Autoscale,
  ResourceLimits,
  ResourceRequirements,
  ResourceReservations,
  type Service,
  type ServiceSpec,
  type Task,
  TaskState,
  UpdateState,
  UpdateStatus,
} from '../../proto/gen/index.js';
import { newTask } from '../common/tasks.js';
import { testService, testTaskSpec } from '../testing/objects.js';
import { evaluate, type Memory } from './evaluate.js';

const PERIOD = 5_000;
const LIMITED = ResourceRequirements.create({ limits: ResourceLimits.create({ nanoCpus: 2e8 }) });

function service(replicas: number, autoscale: Partial<Autoscale>, fields: Partial<ServiceSpec> = {}): Service {
  const rule = Autoscale.create({ min: 1, max: 20, cpuPercent: 60, ...autoscale });
  return testService('web', replicas, {
    task: testTaskSpec('web', { resources: LIMITED }),
    autoscale: rule,
    ...fields,
  });
}

function tasksOf(of: Service, count: number): Task[] {
  return Array.from({ length: count }, (_, i) => {
    const task = newTask(of, { id: `t${i}`, slot: i + 1, nodeId: 'n', desiredState: TaskState.RUNNING, now: 0 });
    return { ...task, status: { ...task.status, state: TaskState.RUNNING } };
  });
}

interface Load {
  /** Billionths of a CPU of a task. */
  readonly cpu?: (task: number) => number;
  readonly connections?: number;
  /** How many of the tasks have reported; all when left out. */
  readonly reported?: number;
}

/** A swarm in which every change is done at once; time goes on by a heartbeat with each look. */
class Scaled {
  service: Service;
  now = 0;
  memory: Memory | undefined;
  readonly numbers: number[] = [];
  readonly #tasks: readonly Task[];

  constructor(of: Service) {
    this.service = of;
    this.#tasks = tasksOf(of, of.spec.autoscale?.max ?? 0);
  }

  get replicas(): number {
    return this.service.spec.replicated?.replicas ?? 0;
  }

  look({ cpu = () => 0, connections = 0, reported = Number.POSITIVE_INFINITY }: Load): this {
    const tasks = this.#tasks.slice(0, this.replicas);
    const { autoscale } = this.service.spec;
    if (!autoscale) throw new RangeError('not scaled by load');
    const usageOf = ({ slot }: Task) =>
      slot <= reported ? { at: this.now, nanoCpus: cpu(slot), connectionsPerSecond: connections } : undefined;
    const { service: of, memory, now } = this;
    const outcome = evaluate({ service: of, autoscale, tasks, usageOf, memory, now, time: now });
    const spec = { ...of.spec, replicated: { replicas: outcome.replicas } };
    this.service = { ...of, spec, autoscaleStatus: outcome.status };
    this.memory = outcome.memory;
    this.now += PERIOD;
    this.numbers.push(outcome.replicas);
    return this;
  }

  for(seconds: number, load: Load): this {
    for (const end = this.now + seconds * 1000; this.now < end; ) this.look(load);
    return this;
  }
}

const burning = { cpu: () => 2e8 };
const idle = { cpu: () => 0 };

describe('evaluate', () => {
  test('goes up while all tasks are busy, by steps, to the most that it may', () => {
    const scaled = new Scaled(service(2, { max: 9 })).for(90, burning);
    expect([...new Set(scaled.numbers)]).toEqual([2, 4, 7, 9]);
    expect(scaled.service.autoscaleStatus).toMatchObject({
      tasks: 9,
      cpuPercent: 100,
      message: 'at its most: the load asks for 15',
      last: { from: 7, to: 9, reason: 'cpu 100 % of 60 %' },
    });
  });

  test('a burst that is shorter than the window changes nothing', () => {
    const scaled = new Scaled(service(2, {})).for(60, { cpu: () => 1.2e8 }).for(10, burning);
    expect(scaled.service.autoscaleStatus?.message).toBe('the load asks for 4: scaled up when it goes on');
    expect(scaled.for(60, { cpu: () => 1.2e8 }).replicas).toBe(2);
  });

  test('goes down when fewer have been enough for the whole window, and never below the least', () => {
    const scaled = new Scaled(service(8, { min: 2 })).for(175, idle);
    expect(scaled.replicas).toBe(8);
    expect(scaled.service.autoscaleStatus?.message).toBe('the load asks for 2: scaled down when it goes on');
    expect(scaled.for(10, idle).replicas).toBe(2);
    expect(scaled.for(10, idle).service.autoscaleStatus?.message).toBe('at its least: the load asks for no more');
  });

  test('windows are as asked for', () => {
    const scaled = new Scaled(service(2, { upWindow: 0, downWindow: 10e9 })).look(burning);
    expect(scaled.replicas).toBe(4);
    expect(scaled.for(5, idle).replicas).toBe(4);
    expect(scaled.look(idle).replicas).toBe(1);
  });

  test('without any report nothing is decided', () => {
    const scaled = new Scaled(service(8, {})).for(600, { ...burning, reported: 0 });
    expect(scaled.replicas).toBe(8);
    expect(scaled.service.autoscaleStatus).toMatchObject({ tasks: 0, message: 'no task has told yet what it uses' });
  });

  test('tasks that have not reported keep it from going down as far', () => {
    expect(new Scaled(service(8, {})).for(200, { ...idle, reported: 4 }).replicas).toBe(7);
    expect(new Scaled(service(8, {})).for(200, { ...burning, reported: 4 }).replicas).toBe(8);
  });

  test('a number that somebody sets holds for the windows', () => {
    const scaled = new Scaled(service(2, {})).for(200, { cpu: () => 1.2e8 });
    const set = (replicas: number) => {
      scaled.service = { ...scaled.service, spec: { ...scaled.service.spec, replicated: { replicas } } };
    };
    set(6);
    expect(scaled.for(170, { cpu: () => 0.2e8 }).replicas).toBe(6);
    expect(scaled.for(20, { cpu: () => 0.2e8 }).replicas).toBe(1);
    const busy = new Scaled(service(6, {})).for(30, { cpu: () => 1.2e8 });
    busy.service = { ...busy.service, spec: { ...busy.service.spec, replicated: { replicas: 3 } } };
    expect(busy.for(10, { cpu: () => 2e8 }).replicas).toBe(3);
    expect(busy.for(10, { cpu: () => 2e8 }).replicas).toBe(5);
  });

  test('the target that asks for more tasks decides', () => {
    const rule = { cpuPercent: 60, connectionsPerSecond: 100, upWindow: 0 };
    const byConnections = new Scaled(service(2, rule)).look({ cpu: () => 1e7, connections: 249.96 });
    expect(byConnections.replicas).toBe(5);
    expect(byConnections.service.autoscaleStatus?.last?.reason).toBe('250 of 100 connections per second');
    const byCpu = new Scaled(service(2, rule)).look({ ...burning, connections: 1 });
    expect(byCpu.service.autoscaleStatus?.last?.reason).toBe('cpu 100 % of 60 %');
  });

  test.each<[string, Partial<ResourceRequirements>, number]>([
    ['the limit', { limits: ResourceLimits.create({ nanoCpus: 4e8 }) }, 50],
    ['the reservation', { reservations: ResourceReservations.create({ nanoCpus: 1e8 }) }, 200],
    ['one CPU', {}, 20],
  ])('a percentage is of %s', (_, resources, percent) => {
    const task = testTaskSpec('web', { resources: ResourceRequirements.create(resources) });
    const scaled = new Scaled(service(1, {}, { task })).look(burning);
    expect(scaled.service.autoscaleStatus?.cpuPercent).toBe(percent);
  });

  test.each<[UpdateState, string]>([
    [UpdateState.UPDATING, 'held while it is being updated'],
    [UpdateState.ROLLBACK_STARTED, 'held while it is being updated'],
    [UpdateState.PAUSED, 'held while its update is paused'],
    [UpdateState.ROLLBACK_PAUSED, 'held while its update is paused'],
  ])('nothing is decided in update state %i', (state, message) => {
    const updated = { ...service(2, {}), updateStatus: UpdateStatus.create({ state }) };
    const scaled = new Scaled(updated).for(60, burning);
    expect(scaled.replicas).toBe(2);
    expect(scaled.service.autoscaleStatus?.message).toBe(message);
    scaled.service = { ...scaled.service, updateStatus: UpdateStatus.create({ state: UpdateState.COMPLETED }) };
    expect(scaled.for(20, burning).replicas).toBe(4);
  });

  test('nor while a task is of an older spec', () => {
    const of = service(2, {});
    const newer = { ...of, specVersion: 9, spec: { ...of.spec, task: testTaskSpec('web:2') } };
    const usageOf = () => ({ at: 0, nanoCpus: 2e8, connectionsPerSecond: 0 });
    const autoscale = Autoscale.create({ ...of.spec.autoscale, upWindow: 0 });
    const outcome = evaluate({
      service: newer,
      autoscale,
      tasks: tasksOf(of, 2),
      usageOf,
      memory: undefined,
      now: 0,
      time: 0,
    });
    expect(outcome).toMatchObject({ replicas: 2, status: { message: 'held while it is being updated' } });
  });
});

/** Numbers in [0, 1) by mulberry32. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A constant load of the whole service, shared out; each task's part is off by up to the noise, either way. */
function noisy(scaled: Scaled, load: number, noise: number, random: () => number): Load {
  return { cpu: () => Math.min(2e8, (load / scaled.replicas) * (1 + noise * (2 * random() - 1))) };
}

test.each([0.3, 0.9, 2.5, 7, 11.8])(
  'a load of %d tasks that comes at once is met without too many, though new tasks are slow to start and to report',
  (tasks) => {
    const load = tasks * 0.6 * 2e8;
    const scaled = new Scaled(service(1, { max: 20 })).for(60, idle);
    for (let i = 0; i < 120; i++) {
      const [before = 1, now = 1] = scaled.numbers.slice(-3);
      scaled.look({ cpu: () => Math.min(2e8, load / Math.min(before, now)), reported: Math.min(before, now) });
    }
    expect(scaled.replicas).toBe(Math.ceil(tasks));
    expect(Math.max(...scaled.numbers)).toBe(Math.ceil(tasks));
  },
);

test.each(Array.from({ length: 25 }, (_, seed) => seed))(
  'a constant load with noise settles and does not oscillate (seed %i)',
  (seed) => {
    const random = seeded(seed);
    const [min, max] = [1 + Math.floor(random() * 3), 10 + Math.floor(random() * 40)];
    const noise = random() * 0.3;
    // In tasks that are at their target.
    const tasks = random() * 1.2 * max;
    const load = tasks * 0.6 * 2e8;
    const scaled = new Scaled(service(min + Math.floor(random() * (max - min)), { min, max }));
    for (let i = 0; i < 360; i++) scaled.look(noisy(scaled, load, noise, random));
    const from = scaled.numbers.length - 1;
    for (let i = 0; i < 720; i++) scaled.look(noisy(scaled, load, noise, random));
    // One more step in an hour is allowed, for a load on the edge of two numbers; a step back is not.
    const hour = scaled.numbers.slice(from);
    expect(hour.filter((number, i) => i > 0 && number !== hour[i - 1]).length).toBeLessThanOrEqual(1);
    const settled = scaled.replicas;
    for (const number of scaled.numbers) expect(number >= min && number <= max).toBe(true);
    const ideal = Math.min(max, Math.max(min, tasks));
    expect(settled).toBeGreaterThanOrEqual(Math.min(max, Math.floor(ideal / 1.2)));
    expect(settled).toBeLessThanOrEqual(Math.ceil(ideal * 1.35) + 1);
  },
);
