import { describe, expect, it } from 'vitest';
import { deferred, yieldToLoop } from '../../lib/async.js';
import { ManualClock } from '../../lib/clock.js';
import { type Logger, silentLogger } from '../../lib/log.js';
import type { ApplyProblem, ApplyReport, DesiredState, Sandbox } from '../../netlb/state.js';
import { AttachmentSpec, NetworkAttachment, Task, TaskSpec, TaskState, TaskStatus } from '../../proto/gen/index.js';
import { noAssignments } from '../agent/assignments.js';
import type { LocalTask } from '../agent/local-task.js';
import { NETWORK_PATIENCE_MS, NetworkController } from './controller.js';
import { desiredState } from './desired-state.js';

const node = {
  id: 'n',
  dataPathAddress: '203.0.113.1',
  dataPathPort: 4789,
  ipv6: true,
  gatewayBridge: { address: '172.18.0.1/16', address6: 'fd00:7473::1/64' },
  attachments: [],
};
const sandbox = (id: string): Sandbox => ({
  id,
  endpoints: [{ networkId: 'net', addresses: ['10.0.1.5'], mac: '02:42:0a:00:01:05' }],
  gateway: true,
  virtualServices: [],
  ingress: undefined,
  hostPorts: [],
  resolver: undefined,
});
const local = (id: string, state: TaskState, networkId = 'net'): LocalTask => ({
  task: Task.create({ id, networks: [NetworkAttachment.create({ networkId })] }),
  status: TaskStatus.create({ state }),
  assigned: true,
  networks: [],
});
const problem = (kind: ApplyProblem['subject']['kind'], id: string): ApplyProblem => ({
  subject: { kind, id },
  message: `${kind} ${id} refused`,
});

/** A controller on a plane whose answers the test gives. */
function ground(wanted: string[] = [], log: Logger = silentLogger) {
  const clock = new ManualClock();
  const applied: DesiredState[] = [];
  const stop = new AbortController();
  const world = {
    clock,
    applied,
    stop,
    wanted,
    changes: 0,
    state: {} as Partial<DesiredState>,
    rest: 0,
    computing: (): Iterable<void> => [],
    answer: async (): Promise<ApplyReport> => ({ problems: [], operations: 0, details: () => ({}) }),
  };
  const controller = new NetworkController({
    plane: {
      get rest() {
        return world.rest;
      },
      apply: (state) => {
        applied.push(state);
        return world.answer();
      },
    },
    desired: function* () {
      yield* world.computing();
      return { ...desiredState(noAssignments, [], node), sandboxes: world.wanted.map(sandbox), ...world.state };
    },
    onChange: () => world.changes++,
    clock,
    log,
  });
  const running = controller.run(stop.signal);
  const end = async () => {
    stop.abort();
    await running;
  };
  return { world, controller, end };
}

/** Until what was just asked for is done, or waits for time to go on. */
async function resting(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await yieldToLoop();
}

describe('NetworkController', () => {
  it('makes one apply of the changes of one turn', async () => {
    const { world, controller, end } = ground();
    await Promise.all([controller.changed(), controller.changed(), controller.changed()]);
    expect(world.applied).toHaveLength(1);
    await end();
  });

  it('gathers changes while the plane rests', async () => {
    const { world, controller, end } = ground();
    world.rest = 40;
    const first = controller.changed();
    await resting();
    await world.clock.advance(39);
    const second = controller.changed();
    expect(world.applied).toHaveLength(0);
    await world.clock.advance(1);
    await Promise.all([first, second]);
    expect(world.applied).toHaveLength(1);
    await end();
  });

  it.each([
    ['before the rest', 0],
    ['in the middle of it', 20],
  ])('does not rest when a task waits for its namespace - %s', async (_, after) => {
    const { world, controller, end } = ground(['t1']);
    world.rest = 40;
    const waiting = after === 0 ? controller.sandbox(local('t1', TaskState.PREPARING)) : undefined;
    const start = world.clock.now();
    const applied = controller.changed();
    await resting();
    await world.clock.advance(after);
    expect(waiting ?? controller.sandbox(local('t1', TaskState.PREPARING))).toEqual({ state: 'pending' });
    await applied;
    expect(world.clock.now() - start).toBe(after);
    expect(controller.sandbox(local('t1', TaskState.PREPARING))).toEqual({ state: 'ready' });
    await end();
  });

  it('rests for a container that nobody has started yet', async () => {
    const { world, controller, end } = ground();
    world.rest = 40;
    const view = () => controller.view({ sandbox: 'c1', networks: [], running: false, awaited: false });
    const applied = controller.changed();
    await resting();
    expect(view()).toEqual({ state: 'pending' });
    await resting();
    expect(world.applied).toHaveLength(0);
    await world.clock.advance(40);
    await applied;
    await end();
  });

  it('logs what the kernel was told for calls, once each, and after a failure with the next', async () => {
    const lines: object[] = [];
    const log: Logger = { ...silentLogger, info: (fields) => lines.push(fields), error: () => undefined };
    const { world, controller, end } = ground([], log);
    const details = () => ({ ingress_sbox: ['run-nft add element'] });
    world.answer = async () => ({ problems: [], operations: 1, details });
    await Promise.all([
      controller.changed({ sequence: 7, changeIds: ['call1'] }),
      controller.changed({ changeIds: ['call2', ''] }),
    ]);
    await controller.changed({ sequence: 8, changeIds: [] });
    expect(lines).toEqual([{ changes: ['call1', 'call2'], assignments: 7, operations: details() }]);
    world.answer = () => Promise.reject(new Error('no'));
    const applied = controller.changed({ sequence: 9, changeIds: ['call3'] });
    await world.clock.advance(0);
    world.answer = async () => ({ problems: [], operations: 0, details: () => ({}) });
    await controller.changed({ sequence: 10, changeIds: [] });
    await applied;
    expect(lines.slice(1)).toEqual([{ changes: ['call3'], assignments: 10, operations: {} }]);
    await end();
  });

  it('lets others have their turns while a state is computed', async () => {
    const { world, controller, end } = ground();
    let turns = 0;
    world.computing = function* () {
      setImmediate(() => turns++);
      // Would go on for ever if it were not interrupted; this ends it all the same.
      for (let i = 0; turns === 0 && i < 10_000_000; i++) yield;
    };
    await controller.changed();
    expect(turns).toBe(1);
    await end();
  });

  it('answers for a change only by an apply that began after it', async () => {
    const { world, controller, end } = ground();
    const first = deferred<ApplyReport>();
    world.answer = () => first.promise;
    const before = controller.changed();
    await world.clock.advance(0);
    expect(world.applied).toHaveLength(1);
    world.wanted.push('t');
    world.answer = async () => ({ problems: [], operations: 1, details: () => ({}) });
    const after = controller.changed();
    first.resolve({ problems: [], operations: 0, details: () => ({}) });
    await before;
    expect(controller.sandbox(local('t', TaskState.PREPARING))).toEqual({ state: 'pending' });
    await after;
    expect(world.applied.map((state) => state.sandboxes.length)).toEqual([0, 1]);
    expect(controller.sandbox(local('t', TaskState.PREPARING))).toEqual({ state: 'ready' });
    await end();
  });

  it.each([
    ['sandbox', 't', true, true],
    ['sandbox', 'other', false, false],
    ['overlay', 'net', true, false],
    ['overlay', 'other', false, false],
    ['node', '', true, false],
    ['ingress', '', false, false],
  ] as const)(
    'a problem of %s "%s" keeps a starting task: %s; a running one: %s',
    async (kind, id, starting, running) => {
      const { world, controller, end } = ground(['t']);
      world.answer = async () => ({ problems: [problem(kind, id)], operations: 0, details: () => ({}) });
      await controller.changed();
      const view = (state: TaskState) => controller.sandbox(local('t', state)).state === 'problem';
      expect([view(TaskState.PREPARING), view(TaskState.RUNNING)]).toEqual([starting, running]);
      await end();
    },
  );

  it('a problem of encryption keeps what is to start in an encrypted network, and no keys are told to be there', async () => {
    const { world, controller, end } = ground(['t']);
    const overlay = { vni: 4097, gateways: ['10.0.1.1/24'], mtu: 0, remotes: [] };
    const encryption = { version: 3, keys: [], sending: 1 };
    world.state = {
      overlays: [
        { ...overlay, id: 'net', encrypted: true },
        { ...overlay, id: 'clear' },
      ],
      encryption,
    };
    world.answer = async () => ({ problems: [problem('encryption', '')], operations: 0, details: () => ({}) });
    await controller.changed();
    const view = (state: TaskState, network: string) => controller.sandbox(local('t', state, network)).state;
    expect(view(TaskState.PREPARING, 'net')).toBe('problem');
    expect(view(TaskState.PREPARING, 'clear')).not.toBe('problem');
    expect(view(TaskState.RUNNING, 'net')).not.toBe('problem');
    expect(controller.networkKeyClock).toBe(0);
    world.answer = async () => ({ problems: [], operations: 0, details: () => ({}) });
    await controller.changed();
    expect(controller.networkKeyClock).toBe(3);
    await end();
  });

  it('a key that has few packets left keeps nothing, and is told by its time', async () => {
    const { world, controller, end } = ground(['t']);
    const overlay = { id: 'net', vni: 4097, gateways: ['10.0.1.1/24'], mtu: 0, remotes: [], encrypted: true };
    world.state = { overlays: [overlay], encryption: { version: 3, keys: [], sending: 2 } };
    world.answer = async () => ({ problems: [problem('key', '2')], operations: 0, details: () => ({}) });
    await controller.changed();
    expect(controller.sandbox(local('t', TaskState.PREPARING, 'net')).state).not.toBe('problem');
    expect([controller.networkKeyClock, controller.wornNetworkKey]).toEqual([3, 2]);
    world.answer = async () => ({ problems: [], operations: 0, details: () => ({}) });
    await controller.changed();
    expect(controller.wornNetworkKey).toBe(0);
    await end();
  });

  it('loses patience with a problem that lasts, and forgets one that was mended', async () => {
    const { world, controller, end } = ground(['t']);
    world.answer = async () => ({ problems: [problem('sandbox', 't')], operations: 0, details: () => ({}) });
    await controller.changed();
    const expired = () => {
      const view = controller.sandbox(local('t', TaskState.RUNNING));
      return view.state === 'problem' && view.expired;
    };
    await world.clock.advance(NETWORK_PATIENCE_MS - 1);
    expect(expired()).toBe(false);
    controller.reported({ problems: [problem('sandbox', 't')], operations: 0, details: () => ({}) });
    const { changes } = world;
    await world.clock.advance(NETWORK_PATIENCE_MS);
    expect(expired()).toBe(true);
    expect(world.changes).toBeGreaterThan(changes);
    controller.reported({ problems: [], operations: 1, details: () => ({}) });
    expect(controller.sandbox(local('t', TaskState.RUNNING))).toEqual({ state: 'ready' });
    controller.reported({ problems: [problem('sandbox', 't')], operations: 0, details: () => ({}) });
    expect(expired()).toBe(false);
    await end();
  });

  it('tries again by itself when the plane could not work at all', async () => {
    const { world, controller, end } = ground();
    world.answer = () => Promise.reject(new Error('Operation not permitted'));
    let answered = false;
    const changed = controller.changed().then(() => {
      answered = true;
    });
    await world.clock.advance(0);
    expect(world.applied).toHaveLength(1);
    expect(answered).toBe(false);
    expect(controller.problems).toEqual([{ subject: { kind: 'node', id: '' }, message: 'Operation not permitted' }]);
    world.answer = async () => ({ problems: [], operations: 0, details: () => ({}) });
    await world.clock.advance(200);
    await changed;
    expect(world.applied).toHaveLength(2);
    expect(controller.problems).toEqual([]);
    await end();
  });

  it('an attachment is ready when the namespace of its container has an endpoint in its network', async () => {
    const { controller, end } = ground(['abcdefabcdef']);
    await controller.changed();
    const attachment = AttachmentSpec.create({ containerId: 'abcdef'.repeat(10), containerName: 'box' });
    const attached = (networkId: string) => {
      const { task, ...rest } = local('t', TaskState.ACCEPTED, networkId);
      return { ...rest, task: { ...task, spec: TaskSpec.create({ attachment }) } };
    };
    expect(controller.sandbox(attached('net'))).toEqual({ state: 'ready' });
    expect(controller.sandbox(attached('another'))).toEqual({ state: 'pending' });
    await end();
  });
});
