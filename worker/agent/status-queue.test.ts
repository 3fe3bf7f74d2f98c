import { expect, it } from 'vitest';
import { deferred } from '../../lib/async.js';
import { TaskState, TaskStatus, type TaskStatusUpdate } from '../../proto/gen/index.js';
import { StatusQueue } from './status-queue.js';

const status = (state: TaskState) => TaskStatus.create({ state });
const told = (updates: readonly TaskStatusUpdate[]) => updates.map((u) => [u.taskId, u.status.state]);

it('keeps the newest state of each task, in the order in which the tasks came', () => {
  const queue = new StatusQueue();
  queue.put('a', status(TaskState.ACCEPTED));
  queue.put('b', status(TaskState.ACCEPTED));
  queue.put('a', status(TaskState.RUNNING));
  expect(told(queue.batch())).toEqual([
    ['a', TaskState.RUNNING],
    ['b', TaskState.ACCEPTED],
  ]);
  expect(told(queue.batch(1))).toEqual([['a', TaskState.RUNNING]]);
});

it('a state that changed while it was being told is told again', () => {
  const queue = new StatusQueue();
  queue.put('a', status(TaskState.ACCEPTED));
  const batch = queue.batch();
  queue.put('a', status(TaskState.RUNNING));
  queue.acknowledge(batch);
  expect(told(queue.batch())).toEqual([['a', TaskState.RUNNING]]);
  queue.acknowledge(queue.batch());
  expect(queue.size).toBe(0);
});

it('what was not acknowledged waits for the next delivery', async () => {
  const queue = new StatusQueue();
  queue.put('a', status(TaskState.RUNNING));
  const refuse = () => Promise.reject(new Error('unavailable'));
  await expect(queue.deliver(refuse, new AbortController().signal)).rejects.toThrow('unavailable');
  const controller = new AbortController();
  const first = deferred<readonly TaskStatusUpdate[]>();
  const delivery = queue.deliver(async (updates) => first.resolve(updates), controller.signal);
  expect(told(await first.promise)).toEqual([['a', TaskState.RUNNING]]);
  controller.abort();
  await delivery;
  expect(queue.size).toBe(0);
});

it('states that come while one message is on its way go together in the next', async () => {
  const queue = new StatusQueue();
  const controller = new AbortController();
  const sent: [string, TaskState][][] = [];
  queue.put('a', status(TaskState.ACCEPTED));
  await queue.deliver(async (updates) => {
    sent.push(told(updates) as [string, TaskState][]);
    if (sent.length > 1) return controller.abort();
    queue.put('a', status(TaskState.RUNNING));
    queue.put('b', status(TaskState.ACCEPTED));
    queue.put('b', status(TaskState.RUNNING));
  }, controller.signal);
  expect(sent).toEqual([
    [['a', TaskState.ACCEPTED]],
    [
      ['a', TaskState.RUNNING],
      ['b', TaskState.RUNNING],
    ],
  ]);
});
