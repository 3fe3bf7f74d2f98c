import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Deferred, deferred } from '../../lib/async.js';
import { systemClock } from '../../lib/clock.js';
import { alreadyExists, permissionDenied, unavailable } from '../../lib/errors.js';
import { silentLogger } from '../../lib/log.js';
import {
  ManagerAddress,
  NodeDescription,
  NodeProblem,
  type SessionMessage,
  Task,
  TaskState,
  TaskStatus,
  TaskUsage,
} from '../../proto/gen/index.js';
import { untilAborted } from '../group.js';
import { Agent } from './agent.js';
import type { Assignments } from './assignments.js';
import { StatusQueue } from './status-queue.js';
import { TestDispatcher } from './testing.js';

let folder: string;
let dispatcher: TestDispatcher;
const stop = { controller: new AbortController(), running: Promise.resolve() };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-'));
  dispatcher = new TestDispatcher(join(folder, 'manager.sock'));
  stop.controller = new AbortController();
});
afterEach(async () => {
  stop.controller.abort();
  await stop.running;
  dispatcher.close();
  await rm(folder, { recursive: true, force: true });
});

/** An agent whose data plane the test answers for. */
function start(managers: readonly string[] = [dispatcher.address]) {
  const world = {
    statuses: new StatusQueue(),
    assigned: [] as { readonly assignments: Assignments; readonly applied: Deferred<void> }[],
    messages: [] as SessionMessage[],
    known: [] as (readonly string[])[],
    removed: 0,
    twins: [] as unknown[],
    /** How many twins had been told whenever the clock was asked to wait. */
    waits: [] as number[],
    /** Milliseconds that were waited between two sessions. */
    pauses: [] as number[],
    problems: [] as NodeProblem[],
    served: [] as string[],
    applyAtOnce: true,
    networkKeyClock: 0,
    wornNetworkKey: 0,
    measured: [] as (readonly string[])[],
    usage: [] as TaskUsage[],
  };
  const agent = new Agent({
    managers,
    credential: { nodeId: 'node', secret: new Uint8Array(32) },
    clock: {
      ...systemClock,
      sleep: (ms, signal) => {
        world.waits.push(world.twins.length);
        if (ms < 5_000) world.pauses.push(ms);
        return systemClock.sleep(ms, signal);
      },
    },
    log: silentLogger,
    onManagers: (addresses) => world.known.push(addresses),
    onRemoved: () => world.removed++,
    onTwin: (error) => world.twins.push(error),
    onSession: (message) => world.messages.push(message),
    node: {
      instance: 'this process',
      description: NodeDescription.create({ hostname: 'node' }),
      dataPathAddress: '203.0.113.1',
      statuses: world.statuses,
      problems: () => world.problems,
      networkKeyClock: () => world.networkKeyClock,
      wornNetworkKey: () => world.wornNetworkKey,
      measure: (services) => world.measured.push(services),
      usage: () => world.usage,
      onAssignments: (assignments) => {
        const applied = deferred<void>();
        if (world.applyAtOnce) applied.resolve();
        world.assigned.push({ assignments, applied });
        return applied.promise;
      },
      serve: async (_channel, sessionId, signal) => {
        world.served.push(sessionId);
        await untilAborted(signal);
      },
    },
  });
  stop.running = agent.run(stop.controller.signal);
  return { world, agent };
}

const task = (id: string) => ({ task: Task.create({ id }) });
const until = (what: string, condition: () => boolean) => dispatcher.until(what, condition);

describe('agent', () => {
  it('opens a session, tells who it is, and beats at the period that it is given', async () => {
    await dispatcher.listen();
    const { agent } = start();
    await until('three heartbeats', () => dispatcher.heartbeats >= 3);
    expect(dispatcher.opened).toHaveLength(1);
    expect(dispatcher.opened[0]).toMatchObject({ sessionId: '', dataPathAddress: '203.0.113.1' });
    expect(dispatcher.opened[0]?.description.hostname).toBe('node');
    expect(agent.connected).toBe(true);
  });

  it('measures what it is told to, and tells it with the next heartbeat', async () => {
    await dispatcher.listen();
    dispatcher.measuredServices = ['web'];
    const { world } = start();
    await until('the order to measure', () => world.measured.length > 0);
    expect(world.measured[0]).toEqual(['web']);
    world.usage = [TaskUsage.create({ taskId: 'task', nanoCpus: 5e8, connectionsPerSecond: 0.5 })];
    await until('usage', () => dispatcher.usage.length > 0);
    expect(dispatcher.usage).toEqual(world.usage);
  });

  it('beats at a shorter period as soon as it is told, not when the longer one has passed', async () => {
    dispatcher.heartbeatPeriod = 600_000;
    await dispatcher.listen();
    const { world } = start();
    await until('session', () => world.messages.length > 0);
    expect(dispatcher.opened[0]?.pingPeriod).toBe(5_000);
    expect(dispatcher.heartbeats).toBe(0);
    dispatcher.heartbeatPeriod = 20;
    dispatcher.tell({ heartbeatPeriod: 20, measuredServices: ['web'] });
    await until('three heartbeats', () => dispatcher.heartbeats >= 3);
    expect(world.measured.at(-1)).toEqual(['web']);
  });

  it('sends the heartbeat that is waited for before it takes to a longer period', async () => {
    dispatcher.heartbeatPeriod = 1_000;
    await dispatcher.listen();
    const { world } = start();
    await until('session', () => world.messages.length > 0);
    dispatcher.tell({ heartbeatPeriod: 600_000 });
    await until('the longer period', () => world.messages.length > 1);
    dispatcher.heartbeatPeriod = 600_000;
    await until('a heartbeat', () => dispatcher.heartbeats > 0);
  });

  it('waits for a manager that is not there yet', async () => {
    start();
    await dispatcher.listen();
    await until('session', () => dispatcher.opened.length === 1);
  });

  it('goes on with its session after a lost connection', async () => {
    await dispatcher.listen();
    dispatcher.failures.set('heartbeat', permissionDenied('not now'));
    start();
    await until('second session', () => dispatcher.heartbeats > 0);
    expect(dispatcher.opened.map((request) => request.sessionId)).toEqual(['', 'session-1']);
  });

  it('begins anew with a manager that has forgotten the session', async () => {
    await dispatcher.listen();
    const { world } = start();
    await until('heartbeat', () => dispatcher.heartbeats > 0);
    dispatcher.close();
    await dispatcher.listen();
    await until('new session', () => world.served.length === 2);
    expect(world.served).toEqual(['session-1', 'session-2']);
    expect(dispatcher.opened.map((request) => request.sessionId)).toEqual(['', 'session-1', '']);
  });

  it('tries the other managers when one does not answer, and tells who did', async () => {
    await dispatcher.listen();
    const { world } = start([`unix://${folder}/nobody.sock`, dispatcher.address]);
    await until('session', () => world.served.length === 1);
    expect(world.known.at(-1)).toEqual([dispatcher.address]);
    dispatcher.tell({
      managers: [ManagerAddress.create({ address: 'b:1' }), world.messages[0]?.managers[0]].flatMap((m) => m ?? []),
    });
    await until('new list', () => world.known.length === 2);
    expect(world.known.at(-1)).toEqual([dispatcher.address, 'b:1']);
  });

  it('asks another manager first when the one that it had is lost, which may be without power', async () => {
    await dispatcher.listen();
    const other = new TestDispatcher(join(folder, 'other.sock'));
    await other.listen();
    try {
      const managers = [dispatcher, other].map(({ address }) => ManagerAddress.create({ address, weight: 1 }));
      start([dispatcher.address, other.address]);
      await until('session', () => dispatcher.heartbeats > 0);
      dispatcher.tell({ managers });
      await until('told of both', () => dispatcher.heartbeats > 2);
      dispatcher.close();
      // It is there again at once: who is asked first tells which way the node went.
      await dispatcher.listen();
      await other.until('the other is asked', () => other.opened.length > 0);
      expect(dispatcher.opened).toHaveLength(1);
    } finally {
      other.close();
    }
  });

  it('waits two seconds for a manager that takes connections and says nothing, and says that nobody serves it', async () => {
    const silent = createServer(() => {});
    const address = join(folder, 'silent.sock');
    await new Promise<void>((resolve) => silent.listen(address, resolve));
    const started = performance.now();
    try {
      const { agent } = start([`unix://${address}`, dispatcher.address]);
      await until('told of both', () => agent.trouble !== '');
      expect(agent.trouble).toBe(
        `No manager serves this node: unix://${address} (it did not answer within 2 s), ` +
          `${dispatcher.address} (nobody listens at ${dispatcher.address}). Its tasks go on as they are.`,
      );
      await dispatcher.listen();
      await until('session', () => agent.connected);
      expect(agent.trouble).toBe('');
      expect(performance.now() - started).toBeGreaterThan(1_900);
    } finally {
      silent.close();
    }
  });

  it('asks ever less often where others name a leader that refuses it', async () => {
    const leader = new TestDispatcher(join(folder, 'leader.sock'));
    leader.refusal = permissionDenied('node is not part of this swarm');
    dispatcher.refusal = unavailable('this manager is not the leader', { value: leader.address });
    try {
      await Promise.all([leader.listen(), dispatcher.listen()]);
      const { world } = start();
      await leader.until('refused again and again', () => leader.opened.length >= 4);
      expect(world.removed).toBeGreaterThanOrEqual(3);
      const [first = 0, second = 0, third = 0] = world.pauses;
      expect(first).toBeLessThanOrEqual(100);
      expect(second).toBeGreaterThan(first);
      expect(third).toBeGreaterThan(second);
    } finally {
      leader.close();
    }
  });

  it('says that it has been removed', async () => {
    await dispatcher.listen();
    dispatcher.failures.set('session', permissionDenied('node is not part of this swarm'));
    const { world } = start();
    await until('told', () => world.removed === 1);
  });

  it('says that another machine runs as its node, and does not get in its way again', async () => {
    await dispatcher.listen();
    dispatcher.failures.set('session', alreadyExists('node runs already'));
    const { world, agent } = start();
    await until('told', () => world.twins.length === 1);
    await turn();
    // It would try anew after a while, if it waited for one.
    expect(world.waits).not.toContain(1);
    expect(dispatcher.opened.map(({ instance }) => instance)).toEqual(['this process']);
    expect(agent.connected).toBe(false);
    expect(world.removed).toBe(0);
  });
});

describe('agent - assignments', () => {
  it('acknowledges a sequence only when the kernel shows it, with what could not be done', async () => {
    await dispatcher.listen();
    const { world } = start();
    world.applyAtOnce = false;
    await until('first set', () => world.assigned.length === 1);
    expect(dispatcher.acknowledged).toEqual([]);
    const sequence = dispatcher.change([task('a')]);
    await until('second set', () => world.assigned.length === 2);
    expect([...(world.assigned[1]?.assignments.tasks.keys() ?? [])]).toEqual(['a']);
    world.problems = [NodeProblem.create({ subject: 'network web', message: 'no vxlan' })];
    world.networkKeyClock = 3;
    world.assigned[1]?.applied.resolve();
    await until('acknowledged', () => dispatcher.acknowledged.length === 1);
    expect(dispatcher.acknowledged[0]).toMatchObject({ sequence, problems: world.problems, networkKeyClock: 3 });
    // The older one comes back late: the newer acknowledgement stands.
    world.assigned[0]?.applied.resolve();
    await until('a heartbeat later', () => dispatcher.heartbeats > 2);
    expect(dispatcher.acknowledged).toHaveLength(1);
  });

  it('tells again when the problems of a sequence change', async () => {
    await dispatcher.listen();
    const { world, agent } = start();
    await until('acknowledged', () => dispatcher.acknowledged.length === 1);
    world.problems = [NodeProblem.create({ subject: 'node', message: 'nft is gone' })];
    agent.problemsChanged();
    await until('told', () => dispatcher.acknowledged.length === 2);
    expect(dispatcher.acknowledged[1]?.problems).toEqual(world.problems);
    world.networkKeyClock = 4;
    agent.problemsChanged();
    await until('told of keys', () => dispatcher.acknowledged.length === 3);
    expect(dispatcher.acknowledged[2]).toMatchObject({ problems: world.problems, networkKeyClock: 4 });
    world.wornNetworkKey = 2;
    agent.problemsChanged();
    await until('told of a worn key', () => dispatcher.acknowledged.length === 4);
    expect(dispatcher.acknowledged[3]).toMatchObject({ networkKeyClock: 4, wornNetworkKey: 2 });
  });

  it('tells problems of a set that the kernel does not show yet without acknowledging it', async () => {
    await dispatcher.listen();
    const sequence = dispatcher.assign([task('a')]);
    const { world, agent } = start();
    world.applyAtOnce = false;
    await until('first set', () => world.assigned.length === 1);
    world.problems = [NodeProblem.create({ subject: 'node', message: 'nft is gone' })];
    agent.problemsChanged();
    await until('told', () => dispatcher.acknowledged.length === 1);
    expect(dispatcher.acknowledged[0]).toMatchObject({ sequence: 0, problems: world.problems });
    world.assigned[0]?.applied.resolve();
    world.problems = [];
    await until('acknowledged', () => dispatcher.acknowledged.length === 2);
    expect(dispatcher.acknowledged[1]).toMatchObject({ sequence, problems: [] });
  });

  it('asks for everything again after a gap', async () => {
    await dispatcher.listen();
    const { world } = start();
    await until('first set', () => world.assigned.length === 1);
    dispatcher.change([task('lost')], 0, 1);
    await until('complete set', () => world.assigned.length === 2);
    expect(world.assigned[1]?.assignments.tasks.size).toBe(0);
    expect(dispatcher.opened).toHaveLength(1);
    dispatcher.change([task('b')]);
    await until('increment', () => world.assigned.length === 3);
    expect([...(world.assigned[2]?.assignments.tasks.keys() ?? [])]).toEqual(['b']);
  });

  it('tells a state again until a manager has taken it', async () => {
    await dispatcher.listen();
    dispatcher.failures.set('updateTaskStatus', permissionDenied('not now'));
    const { world } = start();
    world.statuses.put('a', TaskStatus.create({ state: TaskState.RUNNING, message: 'started' }));
    await until('reported', () => dispatcher.last('a')?.state === TaskState.RUNNING);
    expect(dispatcher.reported.get('a')).toHaveLength(1);
    await until('nothing left', () => world.statuses.size === 0);
  });
});
