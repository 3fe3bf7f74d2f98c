import { expect, test } from 'vitest';
import { Task, TaskState, TaskStatus } from '../../proto/gen/index.js';
import { type LocalTask, reassigned } from './local-task.js';

const { RUNNING, SHUTDOWN, REMOVE } = TaskState;
const local = (desiredState: TaskState): LocalTask => ({
  task: Task.create({ id: 't', desiredState }),
  status: TaskStatus.create({ state: RUNNING }),
  assigned: true,
  networks: [],
});
const told = (from: TaskState, to: TaskState) =>
  reassigned(local(from), Task.create({ id: 't', desiredState: to }), []).task.desiredState;

test('a task that was told to stop does not run again, whatever another manager believes', () => {
  expect(told(RUNNING, SHUTDOWN)).toBe(SHUTDOWN);
  expect(told(SHUTDOWN, RUNNING)).toBe(SHUTDOWN);
  expect(told(SHUTDOWN, REMOVE)).toBe(REMOVE);
});

test('a task that was taken out of the assignments and is there again is what managers say', () => {
  const gone = reassigned(local(RUNNING), undefined, []);
  expect(gone).toMatchObject({ assigned: false, task: { desiredState: REMOVE } });
  const back = reassigned(gone, Task.create({ id: 't', desiredState: RUNNING }), []);
  expect(back).toMatchObject({ assigned: true, task: { desiredState: RUNNING } });
});
