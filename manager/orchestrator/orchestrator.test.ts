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
