import { expect, test } from 'vitest';
import { newId } from '../../lib/ids.js';
import { silentLogger } from '../../lib/log.js';
import { ContainerStatus, TaskState, TaskStatus } from '../../proto/gen/index.js';
import { newTask } from '../common/tasks.js';
import { openTestStore } from '../store/testing.js';
import { testService } from '../testing/objects.js';
import { StatusWriter } from './status-writer.js';

test("a report whose words are too many for the log is cut, and the other nodes' reports get through", async () => {
  const store = await openTestStore();
  const task = (nodeId: string) =>
    newTask(testService('web', 1), { id: newId(), slot: 1, nodeId, desiredState: TaskState.RUNNING, now: 0 });
  const [loud, other] = [task('a'), task('b')];
  await store.update((draft) => [draft.create('task', loud), draft.create('task', other)]);
  const writer = new StatusWriter(store, silentLogger);
  const error = `skopeo: ${'x'.repeat(2 ** 21)}`;
  await writer.write([
    { nodeId: 'a', taskId: loud.id, status: TaskStatus.create({ state: TaskState.REJECTED, error }) },
    { nodeId: 'b', taskId: other.id, status: TaskStatus.create({ state: TaskState.RUNNING }) },
  ]);
  expect(store.view().get('task', loud.id)?.status.error).toMatch(/^skopeo: x{4000,}…$/);
  expect(store.view().get('task', other.id)?.status.state).toBe(TaskState.RUNNING);
});

test('a report that is too large for the log is refused, and no other one that comes with it', async () => {
  const store = await openTestStore();
  const writer = new StatusWriter(store, silentLogger);
  const say = async (nodeId: string, containerId: string) => {
    const fields = { id: newId(), slot: 1, nodeId, desiredState: TaskState.RUNNING, now: 0 };
    const { id } = await store.update((draft) => draft.create('task', newTask(testService('web', 1), fields)));
    const container = ContainerStatus.create({ containerId });
    return () =>
      writer.write([{ nodeId, taskId: id, status: TaskStatus.create({ state: TaskState.RUNNING, container }) }]);
  };
  const [large, small] = [await say('a', 'x'.repeat(2 ** 21)), await say('b', 'c')];
  const [refused, taken] = await Promise.allSettled([large(), small()]);
  expect(refused).toMatchObject({ status: 'rejected', reason: { code: 'RESOURCE_EXHAUSTED' } });
  expect(taken).toMatchObject({ status: 'fulfilled' });
});

test('a task began to run when it was first said to, by the clock of its node', async () => {
  const store = await openTestStore();
  const fields = { id: newId(), slot: 1, nodeId: 'a', desiredState: TaskState.RUNNING, now: 0 };
  const { id } = await store.update((draft) => draft.create('task', newTask(testService('web', 1), fields)));
  const writer = new StatusWriter(store, silentLogger);
  const say = async (state: TaskState, timestamp: number) => {
    await writer.write([{ nodeId: 'a', taskId: id, status: TaskStatus.create({ state, timestamp }) }]);
    return store.view().get('task', id)?.startedAt;
  };
  expect(await say(TaskState.STARTING, 1_000)).toBe(0);
  expect(await say(TaskState.RUNNING, 2_000)).toBe(2_000);
  expect(await say(TaskState.RUNNING, 3_000)).toBe(2_000);
  expect(await say(TaskState.FAILED, 4_000)).toBe(2_000);
});
