import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AssignmentChangeAction, ResourceLimits, TaskState } from '../../proto/gen/index.js';
import { runs } from './processes.js';
import { network, remoteEndpoint, taskOn, traps, WorkerGround } from './worker-fixture.js';

const { ACCEPTED, PREPARING, READY, STARTING, RUNNING, COMPLETE, SHUTDOWN, FAILED, REJECTED } = TaskState;

let ground: WorkerGround;
beforeAll(async () => {
  ground = await WorkerGround.open();
  await ground.dispatcher.listen();
  ground.dispatcher.assign([{ network }]);
  ground.start();
  await ground.until('session', () => ground.dispatcher.heartbeats > 0);
});
afterAll(() => ground.close());

const reached = (id: string, state: TaskState) =>
  ground.until(`task in state ${state}`, () => ground.dispatcher.last(id)?.state === state);
const pidOf = (id: string) => ground.dispatcher.last(id)?.container?.pid ?? 0;

describe('worker - tasks', () => {
  it('runs a task in its own namespace on its overlay, and says each step', async () => {
    const task = taskOn('10.0.1.10');
    const remote = remoteEndpoint('10.0.1.99');
    const sequence = ground.dispatcher.change([{ task }, { endpoint: remote }]);
    await reached(task.id, RUNNING);
    const states = ground.dispatcher.states(task.id);
    expect([...states].sort((a, b) => a - b)).toEqual(states);
    expect(states.every((s) => [ACCEPTED, PREPARING, READY, STARTING, RUNNING].includes(s as 256))).toBe(true);
    expect(ground.dispatcher.last(task.id)?.message).toBe('started');
    await ground.until('acknowledged', () => ground.dispatcher.acknowledged.some((a) => a.sequence >= sequence));
    expect(ground.dispatcher.acknowledged.at(-1)?.problems).toEqual([]);

    const addresses = JSON.parse(ground.inside(task.id, 'ip', '-j', '-4', 'addr', 'show', 'eth0'));
    expect(addresses[0].addr_info[0].local).toBe('10.0.1.10');
    const overlay = `1-${network.id.slice(0, 10)}`;
    const fdb = JSON.parse(ground.inside(overlay, 'bridge', '-j', 'fdb', 'show', 'dev', 'vxlan0'));
    expect(fdb).toContainEqual(expect.objectContaining({ mac: remote.mac, dst: '203.0.113.2' }));

    const pid = ground.dispatcher.last(task.id)?.container?.pid ?? 0;
    expect(runs(pid)).toBe(true);
    ground.dispatcher.change([{ task }], AssignmentChangeAction.REMOVE);
    const folder = join(ground.options.dataRoot, 'containers', task.id);
    await ground.until('container removed', () => !existsSync(folder));
    expect(runs(pid)).toBe(false);
    const record = join(ground.options.dataRoot, 'worker/tasks', task.id);
    await ground.until('record removed', () => !existsSync(record));
    const namespace = join(ground.options.runRoot, 'netns', task.id);
    await ground.until('namespace removed', () => !existsSync(namespace));
  });

  it.each([
    ['completes', ['true'], COMPLETE, 'finished', ''],
    ['fails with its exit code', ['sh', '-c', 'exit 3'], FAILED, 'started', 'task: non-zero exit (3)'],
  ])('a task %s', async (_name, args, state, message, error) => {
    const task = taskOn('10.0.1.11', { args });
    ground.dispatcher.change([{ task }]);
    await reached(task.id, state);
    expect(ground.dispatcher.last(task.id)).toMatchObject({ message, error });
    const namespace = join(ground.options.runRoot, 'netns', task.id);
    await ground.until('namespace removed', () => !existsSync(namespace));
    // Its container stays for the logs.
    expect(existsSync(join(ground.options.dataRoot, 'containers', task.id))).toBe(true);
    ground.dispatcher.change([{ task }], AssignmentChangeAction.REMOVE);
  });

  it('says that memory ran out', async () => {
    const task = taskOn('10.0.1.12', { args: ['sh', '-c', 'tail -f /dev/zero'] });
    const limits = ResourceLimits.create({ memoryBytes: 16 << 20 });
    const limited = { ...task, spec: { ...task.spec, resources: { ...task.spec.resources, limits } } };
    ground.dispatcher.change([{ task: limited }]);
    await reached(task.id, FAILED);
    expect(ground.dispatcher.last(task.id)?.error).toBe(
      'task: non-zero exit (137): out of memory (limit 16777216 bytes)',
    );
    ground.dispatcher.change([{ task }], AssignmentChangeAction.REMOVE);
  });

  it('rejects an image that is not there, in words', async () => {
    const task = taskOn('10.0.1.13', { image: '127.0.0.1:1/nowhere:latest' });
    ground.dispatcher.change([{ task }]);
    await reached(task.id, REJECTED);
    expect(ground.dispatcher.last(task.id)?.error).toContain('127.0.0.1:1/nowhere:latest');
    ground.dispatcher.change([{ task }], AssignmentChangeAction.REMOVE);
  });

  it('holds a task in READY, runs it when it is wanted, and shuts it down by its own signal', async () => {
    const script = 'trap "exit 7" USR1; while true; do sleep 0.05; done';
    const task = taskOn('10.0.1.14', { args: ['sh', '-c', script], stopSignal: 'SIGUSR1' }, READY);
    ground.dispatcher.change([{ task }]);
    await reached(task.id, READY);
    ground.dispatcher.change([{ task: { ...task, desiredState: RUNNING } }]);
    await reached(task.id, RUNNING);
    await ground.until('trap', () => traps(pidOf(task.id), constants.signals.SIGUSR1));
    ground.dispatcher.change([{ task: { ...task, desiredState: SHUTDOWN } }]);
    await reached(task.id, SHUTDOWN);
    expect(ground.dispatcher.last(task.id)).toMatchObject({
      message: 'shutdown',
      error: '',
      container: { exitCode: 7 },
    });
    ground.dispatcher.change([{ task }], AssignmentChangeAction.REMOVE);
  });

  it('kills a task that does not stop within its grace period', async () => {
    const task = taskOn('10.0.1.15', { args: ['sh', '-c', 'trap "" TERM; while true; do sleep 0.05; done'] });
    ground.dispatcher.change([{ task }]);
    await reached(task.id, RUNNING);
    await ground.until('trap', () => traps(pidOf(task.id), constants.signals.SIGTERM));
    ground.dispatcher.change([{ task: { ...task, desiredState: SHUTDOWN } }]);
    await reached(task.id, SHUTDOWN);
    expect(ground.dispatcher.last(task.id)?.container?.exitCode).toBe(137);
    ground.dispatcher.change([{ task }], AssignmentChangeAction.REMOVE);
  });

  it('heartbeats go on while many tasks start', async () => {
    const before = ground.dispatcher.heartbeats;
    const tasks = Array.from({ length: 8 }, (_, i) => taskOn(`10.0.1.${20 + i}`));
    ground.dispatcher.change(tasks.map((task) => ({ task })));
    await ground.until('all run', () => tasks.every(({ id }) => ground.dispatcher.last(id)?.state === RUNNING));
    expect(ground.dispatcher.opened).toHaveLength(1);
    expect(ground.dispatcher.heartbeats).toBeGreaterThan(before);
    ground.dispatcher.change(
      tasks.map((task) => ({ task })),
      AssignmentChangeAction.REMOVE,
    );
    const record = (id: string) => join(ground.options.dataRoot, 'worker/tasks', id);
    await ground.until('all are gone', () => tasks.every(({ id }) => !existsSync(record(id))));
  });
});
