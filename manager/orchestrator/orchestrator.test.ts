import { expect, test } from 'vitest';
import { newId } from '../../lib/ids.js';
import {
  NodeAvailability,
  NodeState,
  RestartCondition,
  type RestartPolicy,
  type ServiceSpec,
  type Task,
  type TaskSpec,
  TaskState,
} from '../../proto/gen/index.js';
import { isWanted, newTask } from '../common/tasks.js';
import { testNode, testService, testTaskSpec } from '../testing/objects.js';
import { orchestrated, words } from '../testing/orchestrated.js';

const restarting = (policy: Partial<RestartPolicy>): TaskSpec => {
  const spec = testTaskSpec('web');
  return { ...spec, restart: { ...spec.restart, ...policy } };
};
const constrained = (...constraints: string[]): TaskSpec => {
  const spec = testTaskSpec('web');
  return { ...spec, placement: { ...spec.placement, constraints } };
};

const scale = (replicas: number) => (spec: ServiceSpec) => ({ ...spec, replicated: { replicas } });

test('replicated - makes a NEW task for each slot, and more when scaled up', async () => {
  const { add, tasks, change } = await orchestrated('node1');
  const id = await add('web', 2);
  expect(words(tasks(id))).toEqual({ 1: ['NEW→RUNNING'], 2: ['NEW→RUNNING'] });
  await change(id, scale(4));
  expect(Object.keys(words(tasks(id)))).toEqual(['1', '2', '3', '4']);
});

test('replicated - scaled down, the surplus is to be removed and its slots are used again', async () => {
  const { add, tasks, change, runAll } = await orchestrated('node1', 'node2');
  const id = await add('web', 4);
  await runAll(id);
  await change(id, scale(1));
  const removed = tasks(id).filter((task) => task.desiredState === TaskState.REMOVE);
  expect(removed.map((task) => task.slot).sort()).toEqual([2, 3, 4]);
  await change(id, scale(2));
  expect(tasks(id).filter((task) => task.slot === 2 && isWanted(task))).toHaveLength(1);
});

test('replicated - tasks of a service that is gone are to be removed', async () => {
  const { add, tasks, runAll, store, settle, restart } = await orchestrated('node1');
  const [first, second] = [await add('web', 2), await add('api', 1)];
  await runAll(first);
  await store.update((draft) => draft.remove('service', first));
  await settle();
  expect(tasks(first).every((task) => task.desiredState === TaskState.REMOVE)).toBe(true);
  await store.update((draft) => draft.remove('service', second));
  await restart();
  expect(tasks(second).every((task) => task.desiredState === TaskState.REMOVE)).toBe(true);
});

test('replicated - the ended tasks of a service that went just before a crash are to be removed too', async () => {
  const { tasks, nodes, store, settle, restart } = await orchestrated('node1');
  // The removal is in the log; what the orchestrator makes of it is not.
  const ended = (state: TaskState) => {
    const fields = { id: newId(), slot: 1, nodeId: nodes[0]?.id ?? '', desiredState: TaskState.SHUTDOWN, now: 0 };
    const task = newTask(testService('web', 1), fields);
    return { ...task, serviceId: 'gone', status: { ...task.status, state } };
  };
  await store.update((draft) =>
    [TaskState.FAILED, TaskState.RUNNING].map((state) => draft.create('task', ended(state))),
  );
  await settle();
  await restart();
  expect(tasks('gone').map((task) => task.desiredState)).toEqual([TaskState.REMOVE, TaskState.REMOVE]);
});

test('restart - the successor is ready at once and runs after the delay', async () => {
  const { add, tasks, runAll, report, clock, settle } = await orchestrated('node1');
  const id = await add('web', 1);
  await runAll(id);
  const [task] = tasks(id);
  if (task) await report(task, TaskState.FAILED);
  expect(words(tasks(id))).toEqual({ 1: ['FAILED→SHUTDOWN', 'NEW→READY'] });
  await clock.advance(4_999);
  await settle();
  expect(words(tasks(id))).toEqual({ 1: ['FAILED→SHUTDOWN', 'NEW→READY'] });
  await clock.advance(1);
  await settle();
  expect(words(tasks(id))).toEqual({ 1: ['FAILED→SHUTDOWN', 'NEW→RUNNING'] });
});

test('restart - a delay goes on over a change of leader', async () => {
  const { add, wanted, runAll, report, clock, settle, restart } = await orchestrated('node1');
  const id = await add('web', 1);
  await runAll(id);
  const [task] = wanted(id);
  if (task) await report(task, TaskState.FAILED);
  await clock.advance(3_000);
  await restart();
  await clock.advance(1_999);
  await settle();
  expect(wanted(id).map((t) => t.desiredState)).toEqual([TaskState.READY]);
  await clock.advance(1);
  await settle();
  expect(wanted(id).map((t) => t.desiredState)).toEqual([TaskState.RUNNING]);
});

test.each([
  ['any', RestartCondition.ANY, TaskState.COMPLETE, true],
  ['any', RestartCondition.ANY, TaskState.REJECTED, true],
  ['on-failure', RestartCondition.ON_FAILURE, TaskState.FAILED, true],
  ['on-failure', RestartCondition.ON_FAILURE, TaskState.COMPLETE, false],
  ['none', RestartCondition.NONE, TaskState.FAILED, false],
])('restart - condition %s (%i) after state %i: %s', async (_name, condition, state, restarts) => {
  const { add, wanted, runAll, report, restart } = await orchestrated('node1');
  const id = await add('web', 1, { task: restarting({ condition }) });
  await runAll(id);
  const [task] = wanted(id);
  if (task) await report(task, state);
  expect(wanted(id)).toHaveLength(restarts ? 1 : 0);
  await restart();
  expect(wanted(id)).toHaveLength(restarts ? 1 : 0);
});

test('restart - what its node could not make ready is tried again when the delay is over, and not before', async () => {
  const { add, wanted, runAll, report, clock, settle, restart } = await orchestrated('node1');
  const id = await add('web', 1, { task: restarting({ delay: 5e9 }) });
  const reject = async () => {
    await runAll(id);
    const [task] = wanted(id);
    if (task) await report(task, TaskState.REJECTED);
  };
  const states = () => wanted(id).map(({ desiredState, status }) => [desiredState, status.state]);
  await reject();
  expect(states()).toEqual([[TaskState.ACCEPTED, TaskState.NEW]]);
  await runAll(id);
  await clock.advance(4_999);
  await restart();
  expect(states()).toEqual([[TaskState.ACCEPTED, TaskState.ACCEPTED]]);
  await clock.advance(1);
  await settle();
  expect(states()).toEqual([[TaskState.RUNNING, TaskState.ACCEPTED]]);
  for (const delay of [5_000, 5_000, 10_000]) {
    await reject();
    const [next] = wanted(id);
    expect((next?.startAfter ?? 0) - clock.now()).toBe(delay);
    await clock.advance(delay);
    await settle();
  }
});

test('restart - no more than the attempts within the window', async () => {
  const { add, wanted, runAll, report, clock, settle } = await orchestrated('node1');
  const policy = { maxAttempts: 2, window: 60e9, delay: 1e9 };
  const id = await add('web', 1, { task: restarting(policy) });
  const fail = async () => {
    await clock.advance(1_000);
    await settle();
    await runAll(id);
    const [task] = wanted(id);
    if (task) await report(task, TaskState.FAILED);
  };
  await fail();
  await fail();
  expect(wanted(id)).toHaveLength(1);
  await fail();
  expect(wanted(id)).toHaveLength(0);
});

test('restart - attempts before the window do not count', async () => {
  const { add, wanted, runAll, report, clock, settle } = await orchestrated('node1');
  const id = await add('web', 1, { task: restarting({ maxAttempts: 1, window: 10e9, delay: 1e9 }) });
  for (let i = 0; i < 3; i++) {
    await clock.advance(11_000);
    await settle();
    await runAll(id);
    const [task] = wanted(id);
    if (task) await report(task, TaskState.FAILED);
    expect(wanted(id)).toHaveLength(1);
  }
});

/** Fails the wanted task as soon as it runs. @returns milliseconds until its successor may start */
async function crash(swarm: Awaited<ReturnType<typeof orchestrated>>, id: string, ranFor = 0): Promise<number> {
  const { clock, runAll, settle, wanted, report } = swarm;
  await clock.advance(Math.max(0, (wanted(id)[0]?.startAfter ?? 0) - clock.now()));
  await settle();
  await runAll(id);
  await clock.advance(ranFor);
  const [task] = wanted(id);
  expect(task?.status.state).toBe(TaskState.RUNNING);
  if (task) await report(task, TaskState.FAILED);
  const [successor] = wanted(id);
  expect(successor?.desiredState).toBe(TaskState.READY);
  return (successor?.startAfter ?? 0) - clock.now();
}

test('restart - a task that keeps failing soon is restarted later and later, over changes of leader', async () => {
  const swarm = await orchestrated('node1');
  const id = await swarm.add('web', 1);
  const delays: number[] = [];
  for (let i = 0; i < 9; i++) {
    delays.push(await crash(swarm, id, 1_000));
    await swarm.restart();
  }
  expect(delays.map((ms) => ms / 1000)).toEqual([5, 5, 5, 10, 20, 40, 80, 125, 125]);
  expect(swarm.wanted(id)[0]?.restarts).toMatchObject({ failures: 9, attempts: 9 });
});

test('restart - after it has run for a while, or ended well, a task is restarted as at first', async () => {
  const swarm = await orchestrated('node1');
  const id = await swarm.add('web', 1);
  for (let i = 0; i < 5; i++) await crash(swarm, id);
  expect(await crash(swarm, id)).toBe(40_000);
  expect(await crash(swarm, id, 60_000)).toBe(5_000);
  for (let i = 0; i < 3; i++) await crash(swarm, id);
  expect(await crash(swarm, id)).toBe(20_000);
  await swarm.clock.advance(20_000);
  await swarm.settle();
  await swarm.runAll(id);
  const [task] = swarm.wanted(id);
  if (task) await swarm.report(task, TaskState.COMPLETE);
  expect(swarm.wanted(id)[0]).toMatchObject({ startAfter: swarm.clock.now() + 5_000, restarts: { failures: 0 } });
});

test('restart - a new spec does not wait for the failures of the old one', async () => {
  const swarm = await orchestrated('node1');
  const id = await swarm.add('web', 1);
  for (let i = 0; i < 6; i++) await crash(swarm, id);
  await swarm.change(id, scale(1)); // the same tasks
  expect(await crash(swarm, id)).toBe(80_000);
  await swarm.change(id, (spec) => ({ ...spec, task: testTaskSpec('web:2') }));
  await swarm.clock.advance(80_000);
  await swarm.settle();
  expect(swarm.wanted(id)[0]?.spec.container.image).toBe('web:2');
  expect(await crash(swarm, id)).toBe(5_000);
});

test('restart - attempts go on to be counted after a change of leader', async () => {
  const swarm = await orchestrated('node1');
  const { add, wanted, restart, clock, settle, runAll, report } = swarm;
  for (const window of [0, 600e9]) {
    const id = await add(`web${window}`, 1, { task: restarting({ maxAttempts: 2, window, delay: 1e9 }) });
    await crash(swarm, id);
    await restart();
    await crash(swarm, id);
    await restart();
    await clock.advance(1_000);
    await settle();
    await runAll(id);
    const [task] = wanted(id);
    if (task) await report(task, TaskState.FAILED);
    expect(wanted(id)).toHaveLength(0);
    await restart();
    expect(wanted(id)).toHaveLength(0);
  }
});

test('node loss - a move is no attempt, and is made when there are none left', async () => {
  const swarm = await orchestrated('node1', 'node2');
  const { add, wanted, setNode, clock, settle, runAll } = swarm;
  const id = await add('web', 1, { task: restarting({ maxAttempts: 1, delay: 1e9 }) });
  await crash(swarm, id);
  await clock.advance(1_000);
  await settle();
  await runAll(id);
  const [{ nodeId } = { nodeId: '' }] = wanted(id);
  await setNode(
    swarm.nodes.findIndex((node) => node.id === nodeId),
    { state: NodeState.DOWN },
  );
  expect(wanted(id)).toHaveLength(1);
  expect(wanted(id)[0]).toMatchObject({ desiredState: TaskState.RUNNING, restarts: { attempts: 1 } });
});

test('node loss - its tasks are made again at once, without a delay', async () => {
  const { add, tasks, wanted, runAll, setNode } = await orchestrated('node1', 'node2');
  const id = await add('web', 4);
  await runAll(id);
  await setNode(0, { state: NodeState.DOWN });
  expect(wanted(id)).toHaveLength(4);
  expect(wanted(id).every((task) => task.desiredState === TaskState.RUNNING)).toBe(true);
  expect(tasks(id).filter((task) => task.desiredState === TaskState.SHUTDOWN)).toHaveLength(2);
});

test('drain - a successor waits until the old task has stopped', async () => {
  const { add, tasks, runAll, setNode, stopUnwanted } = await orchestrated('node1', 'node2');
  const id = await add('web', 1);
  await runAll(id);
  await setNode(0, { spec: { availability: NodeAvailability.DRAIN } });
  expect(words(tasks(id))).toEqual({ 1: ['NEW→READY', 'RUNNING→SHUTDOWN'] });
  await stopUnwanted(id);
  expect(words(tasks(id))).toEqual({ 1: ['NEW→RUNNING', 'SHUTDOWN→SHUTDOWN'] });
});

test('drain - a successor does not wait for ever', async () => {
  const { add, tasks, runAll, setNode, clock, settle } = await orchestrated('node1', 'node2');
  const id = await add('web', 1);
  await runAll(id);
  await setNode(0, { spec: { availability: NodeAvailability.DRAIN } });
  await clock.advance(60_000);
  await settle();
  expect(words(tasks(id))).toEqual({ 1: ['NEW→RUNNING', 'RUNNING→SHUTDOWN'] });
});

test('constraints - a task whose node meets them no more moves', async () => {
  const { add, tasks, runAll, setNode } = await orchestrated('node1');
  await setNode(0, { spec: { labels: { zone: 'a' } } });
  const id = await add('web', 1, { task: constrained('node.labels.zone==a') });
  await runAll(id);
  expect(words(tasks(id))).toEqual({ 1: ['RUNNING→RUNNING'] });
  await setNode(0, { spec: { labels: { zone: 'b' } } });
  expect(words(tasks(id))).toEqual({ 1: ['NEW→READY', 'RUNNING→SHUTDOWN'] });
});

const perNode = (task: Task) => task.nodeId;
const globally = { replicated: undefined, global: {} };

test('global - one task on each node that may have one', async () => {
  const { add, tasks, nodes, setNode, store, settle } = await orchestrated('node1', 'node2', 'node3');
  await setNode(1, { spec: { availability: NodeAvailability.PAUSE } });
  const id = await add('agent', 0, { ...globally, task: constrained('node.hostname!=node3') });
  const on = (i: number) => nodes[i]?.id ?? '';
  expect(words(tasks(id), perNode)).toEqual({ [on(0)]: ['NEW→RUNNING'] });
  await setNode(1, { spec: { availability: NodeAvailability.ACTIVE } });
  const late = testNode('node4');
  await store.update((draft) => draft.create('node', late));
  await settle();
  expect(words(tasks(id), perNode)).toEqual({
    [on(0)]: ['NEW→RUNNING'],
    [on(1)]: ['NEW→RUNNING'],
    [late.id]: ['NEW→RUNNING'],
  });
});

test('global - stops on a drained node and comes back with it; restarts where it failed', async () => {
  const { add, tasks, nodes, setNode, runAll, stopUnwanted, wanted, report } = await orchestrated('node1', 'node2');
  const id = await add('agent', 0, globally);
  await runAll(id);
  await setNode(0, { spec: { availability: NodeAvailability.DRAIN } });
  await stopUnwanted(id);
  expect(wanted(id).map(perNode)).toEqual([nodes[1]?.id]);
  await setNode(0, { spec: { availability: NodeAvailability.ACTIVE } });
  expect(wanted(id).map(perNode).sort()).toEqual(nodes.map((node) => node.id).sort());
  const onSecond = wanted(id).find((task) => task.nodeId === nodes[1]?.id);
  if (onSecond) await report(onSecond, TaskState.FAILED);
  expect(words(tasks(id), perNode)[nodes[1]?.id ?? '']).toEqual(['FAILED→SHUTDOWN', 'NEW→READY']);
});

const job = { replicated: undefined, replicatedJob: { maxConcurrent: 2, totalCompletions: 3 } };

test('job - runs as many at a time as allowed until all have completed', async () => {
  const { add, tasks, wanted, runAll, report } = await orchestrated('node1');
  const id = await add('batch', 0, job);
  expect(words(tasks(id))).toEqual({ 1: ['NEW→COMPLETE'], 2: ['NEW→COMPLETE'] });
  await runAll(id);
  const [first] = wanted(id);
  if (first) await report(first, TaskState.COMPLETE);
  expect(Object.keys(words(tasks(id)))).toHaveLength(3);
  for (const task of wanted(id)) await report(task, TaskState.COMPLETE);
  expect(tasks(id).every((task) => task.status.state === TaskState.COMPLETE)).toBe(true);
  expect(tasks(id)).toHaveLength(3);
});

test('job - of a global kind runs once on each node, also on those that come later', async () => {
  const { add, tasks, runAll, report, setNode, service, nodes } = await orchestrated('node1', 'node2');
  await setNode(1, { state: NodeState.DOWN });
  const id = await add('batch', 0, { replicated: undefined, globalJob: {} });
  await runAll(id);
  for (const task of tasks(id)) await report(task, TaskState.COMPLETE);
  const [first = '', second = ''] = nodes.map((node) => node.id);
  expect(words(tasks(id), perNode)).toEqual({ [first]: ['COMPLETE→COMPLETE'] });
  await setNode(1, { state: NodeState.READY });
  expect(words(tasks(id), perNode)).toEqual({ [first]: ['COMPLETE→COMPLETE'], [second]: ['NEW→COMPLETE'] });
  expect(service(id)?.jobStatus?.runs).toHaveLength(1);
});

test('job - that fails and is not to be tried again has ended, in the words of its task', async () => {
  const { add, wanted, runAll, store, settle, service } = await orchestrated('node1');
  const id = await add('batch', 0, { ...job, task: restarting({ condition: RestartCondition.NONE }) });
  await runAll(id);
  for (const task of wanted(id)) {
    const status = { ...task.status, state: TaskState.FAILED, error: 'task: non-zero exit (3)' };
    await store.update((draft) => draft.update('task', { ...task, status }));
  }
  await settle();
  await runAll(id);
  expect(service(id)?.jobStatus?.runs).toHaveLength(1);
  for (const task of wanted(id)) {
    const status = { ...task.status, state: TaskState.COMPLETE };
    await store.update((draft) => draft.update('task', { ...task, status }));
  }
  await settle();
  expect(service(id)?.jobStatus).toMatchObject({
    runs: [],
    lastOutcome: { completed: 1, total: 3, message: 'task: non-zero exit (3)' },
  });
});

test('job - what failed is tried again, what completed is not', async () => {
  const { add, wanted, runAll, report, clock, settle, tasks } = await orchestrated('node1');
  const id = await add('batch', 0, { ...job, replicatedJob: { maxConcurrent: 1, totalCompletions: 1 } });
  await runAll(id);
  const [first] = wanted(id);
  if (first) await report(first, TaskState.FAILED);
  await clock.advance(5_000);
  await settle();
  expect(words(tasks(id))).toEqual({ 1: ['FAILED→SHUTDOWN', 'NEW→COMPLETE'] });
});
