import { expect, test } from 'vitest';
import { Node, NodeState, NodeStatus, Task, TaskState, TaskStatus } from '../proto/gen/index.js';
import { storeFigures } from './figures.js';
import { openTestStore } from './store/testing.js';

test('figures - objects by kind, nodes and tasks by state, and those that wait for a node', async () => {
  const store = await openTestStore();
  const task = (id: string, state: TaskState, fields: Partial<Task> = {}) =>
    Task.create({ id, desiredState: TaskState.RUNNING, status: TaskStatus.create({ state }), ...fields });
  await store.update((draft) => {
    draft.create('node', Node.create({ id: 'n1', status: NodeStatus.create({ state: NodeState.READY }) }));
    draft.create('node', Node.create({ id: 'n2', status: NodeStatus.create({ state: NodeState.DOWN }) }));
    draft.create('task', task('waits', TaskState.PENDING));
    draft.create('task', task('bound', TaskState.PENDING, { nodeId: 'n1' }));
    draft.create('task', task('given-up', TaskState.PENDING, { desiredState: TaskState.SHUTDOWN }));
    draft.create('task', task('runs', TaskState.RUNNING, { nodeId: 'n1' }));
  });
  const { objects, tasks, nodes, pending } = storeFigures(store.view());
  expect(objects.get('task')).toBe(4);
  expect(objects.get('service')).toBe(0);
  expect([...tasks].sort(([a], [b]) => a - b)).toEqual([
    [TaskState.PENDING, 3],
    [TaskState.RUNNING, 1],
  ]);
  expect(new Map(nodes)).toEqual(
    new Map([
      [NodeState.READY, 1],
      [NodeState.DOWN, 1],
    ]),
  );
  expect(pending).toBe(1);
  await store.stop();
});
