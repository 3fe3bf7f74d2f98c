import { describe, expect, it } from 'vitest';
import { type Deferred, deferred } from '../../lib/async.js';
import { ManualClock } from '../../lib/clock.js';
import { failedPrecondition } from '../../lib/errors.js';
import { silentLogger } from '../../lib/log.js';
import { HealthConfig, HealthState, type StoredHealth } from '../../proto/gen/index.js';
import type { ContainerState } from '../executor/executor.js';
import type { ExecSettings, ProcessStreams } from '../executor/interactive.js';
import { HealthMonitor } from './monitor.js';

const { STARTING, HEALTHY, UNHEALTHY } = HealthState;
type Exit = Awaited<ProcessStreams['exit']>;

/** A check that was started: the test says what becomes of it. */
interface Started {
  readonly id: string;
  readonly settings: ExecSettings;
  readonly exit: Deferred<Exit>;
}

/** A machine whose containers' processes the test plays. */
function machine(stored: readonly StoredHealth[] = []) {
  const clock = new ManualClock();
  const started: Started[] = [];
  const saved: StoredHealth[] = [];
  const world = {
    clock,
    started,
    saved,
    output: '',
    /** Of each check at once; undefined: it goes on until the test ends it. */
    exit: { code: 0, error: '' } as Exit | undefined,
    alive: true,
    refusal: undefined as Error | undefined,
    changes: 0,
    monitor: undefined as unknown as HealthMonitor,
  };
  const exec = async (id: string, settings: ExecSettings): Promise<ProcessStreams> => {
    if (world.refusal) throw world.refusal;
    const exit = deferred<Exit>();
    started.push({ id, settings, exit });
    if (world.exit) exit.resolve(world.exit);
    return streams(exit.promise, world.output);
  };
  world.monitor = new HealthMonitor(
    {
      executor: { exec, isAlive: async () => world.alive },
      store: { put: async (record) => void saved.push(record), delete: async () => undefined },
      clock,
      log: silentLogger,
    },
    stored,
  );
  return world;
}

async function* packets(
  exit: Promise<Exit>,
  text: string,
): ProcessStreams['output'] extends AsyncIterable<infer P> ? AsyncGenerator<P> : never {
  yield { stream: 'stdout' as const, data: Buffer.from(text) };
  await exit;
}

function streams(exit: Promise<Exit>, text: string): ProcessStreams {
  const nothing = async () => undefined;
  return {
    tty: false,
    output: packets(exit, text),
    exit,
    write: nothing,
    closeInput: nothing,
    resize: nothing,
    signal: nothing,
    close: () => undefined,
  };
}

const STARTED = 1_000_000;
const SECOND = 1_000;

function container(id = 'a', fields: Partial<HealthConfig> = {}): ContainerState {
  const config = HealthConfig.create({ test: ['CMD', 'probe'], interval: 10e9, timeout: 3e9, retries: 2, ...fields });
  return { id, status: 'running', pid: 7, startedAt: STARTED, exit: undefined, check: { config, shell: [] } };
}

function watched(world: ReturnType<typeof machine>, state = container()) {
  return world.monitor.watch(state, () => {
    world.changes++;
  });
}

describe('health monitor', () => {
  it('checks at the interval, and tells a change when it is on record', async () => {
    const world = machine();
    watched(world);
    expect(world.monitor.of('a')).toMatchObject({ status: STARTING, since: STARTED });
    await world.clock.advance(9_999);
    expect(world.started).toEqual([]);
    await world.clock.advance(1);
    expect(world.started.map(({ id, settings }) => [id, settings.command, settings.timeoutMs])).toEqual([
      ['a', ['probe'], 3_000],
    ]);
    expect(world.monitor.of('a')).toMatchObject({ status: HEALTHY, since: STARTED + 10 * SECOND });
    expect(world.monitor.results).toEqual({ passed: 1, failed: 0 });
    expect([world.changes, world.saved.map(({ health }) => health.status)]).toEqual([1, [HEALTHY]]);
    await world.clock.advance(25 * SECOND);
    expect([world.started.length, world.changes, world.saved.length]).toEqual([3, 1, 1]);
  });

  it('leaves a container without a check alone', async () => {
    const world = machine();
    watched(world, { ...container(), check: undefined })();
    await world.clock.advance(60 * SECOND);
    expect([world.started.length, world.monitor.of('a')]).toEqual([0, undefined]);
  });

  it('keeps the beginning of the output, and takes words of what cannot be run for it', async () => {
    const world = machine();
    world.output = 'x'.repeat(5_000);
    watched(world);
    await world.clock.advance(10 * SECOND);
    world.exit = { code: 127, error: 'probe: not found' };
    await world.clock.advance(10 * SECOND);
    world.refusal = failedPrecondition('conmon failed');
    await world.clock.advance(10 * SECOND);
    expect(world.monitor.of('a')?.log).toMatchObject([
      { exitCode: 0, output: 'x'.repeat(4096) },
      { exitCode: 127, output: 'probe: not found' },
      { exitCode: -1, output: 'conmon failed' },
    ]);
    expect(world.monitor.of('a')?.status).toBe(UNHEALTHY);
  });

  it('a check over its time has failed, and there is no second one beside it', async () => {
    const world = machine();
    world.exit = undefined;
    watched(world);
    await world.clock.advance(13 * SECOND);
    expect(world.monitor.of('a')).toMatchObject({
      failingStreak: 1,
      log: [{ exitCode: -1, output: 'Health check exceeded timeout (3s)' }],
    });
    await world.clock.advance(10 * SECOND);
    expect([world.started.length, world.monitor.of('a')?.status]).toEqual([1, UNHEALTHY]);
    world.started[0]?.exit.resolve({ code: 137, error: '' });
    world.exit = { code: 0, error: '' };
    await world.clock.advance(10 * SECOND);
    expect([world.started.length, world.monitor.of('a')?.status]).toEqual([2, HEALTHY]);
  });

  it('the failure of a check that went with its container does not count', async () => {
    const world = machine();
    world.exit = { code: 137, error: '' };
    watched(world);
    world.alive = false;
    await world.clock.advance(30 * SECOND);
    expect(world.monitor.of('a')).toMatchObject({ status: STARTING, failingStreak: 0, log: [] });
  });

  it('ends with the run, and begins anew with the next', async () => {
    const world = machine();
    const end = watched(world);
    await world.clock.advance(10 * SECOND);
    world.exit = undefined;
    await world.clock.advance(10 * SECOND);
    end();
    world.started[1]?.exit.resolve({ code: 1, error: '' });
    await world.clock.advance(60 * SECOND);
    expect(world.started).toHaveLength(2);
    expect(world.monitor.of('a')).toMatchObject({ status: HEALTHY, failingStreak: 0 });
    watched(world, { ...container(), startedAt: world.clock.now() });
    expect(world.monitor.of('a')).toMatchObject({ status: STARTING, log: [] });
  });

  it('goes on with what was known before a restart of the daemon', async () => {
    const before = machine();
    watched(before);
    await before.clock.advance(10 * SECOND);
    const world = machine(before.saved);
    watched(world);
    expect(world.monitor.of('a')?.status).toBe(HEALTHY);
    const other = machine(before.saved);
    watched(other, { ...container(), startedAt: STARTED + 1 });
    expect(other.monitor.of('a')?.status).toBe(STARTING);
  });

  it('starts few of a thousand at a time, and waits for all at once', async () => {
    const world = machine();
    world.exit = undefined;
    for (let i = 0; i < 1000; i++) watched(world, container(`c${i}`));
    await world.clock.advance(10 * SECOND);
    expect(world.started).toHaveLength(1000);
    for (const { exit } of world.started) exit.resolve({ code: 0, error: '' });
    await world.clock.advance(0);
    expect(world.monitor.of('c999')?.status).toBe(HEALTHY);
  });

  it('forgets a container that is gone', async () => {
    const world = machine();
    watched(world);
    await world.monitor.forget('a');
    await world.clock.advance(60 * SECOND);
    expect([world.started.length, world.monitor.of('a')]).toEqual([0, undefined]);
  });
});
