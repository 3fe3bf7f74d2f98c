import { expect, test } from 'vitest';
import { Task, TaskState, TaskStatus, UpdateConfig } from '../../proto/gen/index.js';
import { RollingUpdate } from './rolling-update.js';

const second = 1e9;

function update(config: Partial<UpdateConfig>, ...slots: string[]) {
  const rolling = new RollingUpdate(UpdateConfig.create({ parallelism: 1, ...config }), 2, slots, 0);
  const report = (id: string, state: TaskState, now: number, desiredState: TaskState = TaskState.RUNNING) =>
    rolling.observe(Task.create({ id, desiredState, status: TaskStatus.create({ state }) }), now);
  const start = (now: number) => {
    const taken = rolling.take(now);
    for (const slot of taken) rolling.started(slot, `task${slot}`);
    return taken;
  };
  return { rolling, report, start };
}

test('goes one slot after the other, with the delay between them', () => {
  const { rolling, report, start } = update({ delay: 2 * second }, '1', '2');
  expect(start(0)).toEqual(['1']);
  expect(start(10)).toEqual([]);
  report('task1', TaskState.RUNNING, 1_000);
  expect(start(1_000)).toEqual([]);
  expect(rolling.nextAt(1_000)).toBe(3_000);
  expect(start(3_000)).toEqual(['2']);
});

test('parallelism - 0 is all at once', () => {
  expect(update({ parallelism: 2 }, '1', '2', '3').start(0)).toEqual(['1', '2']);
  expect(update({ parallelism: 0 }, '1', '2', '3').start(0)).toEqual(['1', '2', '3']);
});

test('completes one monitor period after the last task ran', () => {
  const { rolling, report, start } = update({ monitor: 5 * second }, '1');
  start(0);
  report('task1', TaskState.RUNNING, 1_000);
  expect(rolling.verdict(5_999)).toBe('going');
  expect(rolling.nextAt(1_000)).toBe(6_000);
  expect(rolling.verdict(6_000)).toBe('completed');
});

test('completes after the delay and a second when the delay is not shorter than the monitor period', () => {
  const { rolling, report, start } = update({ monitor: 5 * second, delay: 7 * second }, '1');
  start(0);
  report('task1', TaskState.RUNNING, 0);
  expect(rolling.verdict(7_999)).toBe('going');
  expect(rolling.verdict(8_000)).toBe('completed');
});

test('fails when more than the ratio of the slots failed within the monitor period', () => {
  const { rolling, report, start } = update(
    { parallelism: 0, maxFailureRatio: 0.5, monitor: 5 * second },
    '1',
    '2',
    '3',
    '4',
  );
  start(0);
  for (const id of ['task1', 'task2', 'task3']) report(id, TaskState.RUNNING, 1_000);
  report('task1', TaskState.FAILED, 2_000);
  report('task2', TaskState.FAILED, 2_000);
  expect(rolling.verdict(2_000)).toBe('going');
  report('task3', TaskState.FAILED, 6_001);
  expect(rolling.verdict(6_001)).toBe('going');
  report('task4', TaskState.REJECTED, 6_001);
  expect(rolling.verdict(6_001)).toBe('failed');
  expect(rolling.failedTask).toBe('task4');
});

test('a task that managers have stopped is no failure', () => {
  const { rolling, report, start } = update({}, '1');
  start(0);
  report('task1', TaskState.SHUTDOWN, 100, TaskState.REMOVE);
  expect(rolling.verdict(100)).toBe('going');
  expect(rolling.verdict(5_100)).toBe('completed');
});
