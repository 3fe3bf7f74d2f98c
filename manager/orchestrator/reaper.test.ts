import { expect, test } from 'vitest';
import { newId } from '../../lib/ids.js';
import { type Task, TaskState } from '../../proto/gen/index.js';
import { newTask, withDesiredState } from '../common/tasks.js';
import { runLoops } from '../testing/loops.js';
import { testCluster, testNode, testService } from '../testing/objects.js';
import { TaskReaper } from './reaper.js';

async function swarm() {
  const loops = await runLoops(TaskReaper);
  const { store, clock, settle } = loops;
  const node = testNode('node1');
  const service = testService('web', 1);
  await store.update((draft) => [
    draft.create('cluster', testCluster()),
    draft.create('node', node),
    draft.create('service', service),
  ]);
  const add = async (state: TaskState, desiredState: TaskState, slot = 1) => {
    await clock.advance(1);
    const task = newTask(service, { id: newId(), slot, nodeId: node.id, desiredState, now: clock.now() });
    await store.update((draft) => draft.create('task', { ...task, status: { ...task.status, state } }));
    await settle();
    return task.id;
  };
  const desire = async (id: string, state: TaskState) => {
    await store.update((draft) => {
      const task = draft.get('task', id);
      if (task) draft.update('task', withDesiredState(task, state, clock.now()));
    });
    await settle();
  };
  const get = (id: string): Task | undefined => store.view().get('task', id);
  return { ...loops, node, service, add, desire, get };
}

test('a task that is to be removed goes when it has stopped, one that never ran at once', async () => {
  const { add, desire, get, report } = await swarm();
  const [running, waiting] = [
    await add(TaskState.RUNNING, TaskState.RUNNING),
    await add(TaskState.PENDING, TaskState.RUNNING),
  ];
  await desire(running, TaskState.REMOVE);
  await desire(waiting, TaskState.REMOVE);
  expect(get(waiting)).toBeUndefined();
  const task = get(running);
  expect(task).toBeDefined();
  if (task) await report(task, TaskState.SHUTDOWN);
  expect(get(running)).toBeUndefined();
});

test('a task that is to stop goes with its node', async () => {
  const { add, desire, get, store, settle, node } = await swarm();
  const [old, wanted] = [
    await add(TaskState.RUNNING, TaskState.SHUTDOWN),
    await add(TaskState.RUNNING, TaskState.RUNNING),
  ];
  await store.update((draft) => draft.remove('node', node.id));
  await settle();
  expect(get(old)).toBeUndefined();
  expect(get(wanted)).toBeDefined();
  await desire(wanted, TaskState.SHUTDOWN);
  expect(get(wanted)).toBeUndefined();
});

test('a slot keeps as many tasks as the history allows, the oldest go', async () => {
  const { add, get, clock, settle } = await swarm();
  const ids: string[] = [];
  for (let i = 0; i < 7; i++) ids.push(await add(TaskState.FAILED, TaskState.SHUTDOWN));
  const current = await add(TaskState.RUNNING, TaskState.RUNNING);
  const other = await add(TaskState.FAILED, TaskState.SHUTDOWN, 2);
  await clock.advance(300);
  await settle();
  expect(ids.filter((id) => get(id))).toEqual(ids.slice(3));
  expect([get(current), get(other)].every((task) => task !== undefined)).toBe(true);
});

test('a service that is to be deleted goes after its last task', async () => {
  const { add, desire, store, settle, service } = await swarm();
  const id = await add(TaskState.SHUTDOWN, TaskState.SHUTDOWN);
  await store.update((draft) => {
    const current = draft.get('service', service.id);
    if (current) draft.update('service', { ...current, pendingDelete: true });
  });
  await settle();
  expect(store.view().count('service')).toBe(1);
  await desire(id, TaskState.REMOVE);
  expect(store.view().count('task')).toBe(0);
  expect(store.view().count('service')).toBe(0);
});
