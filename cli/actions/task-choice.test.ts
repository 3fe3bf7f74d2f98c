import { expect, test } from 'vitest';
import { HealthState, Task, TaskState, TaskStatus } from '../../proto/gen/objects.js';
import { chooseTask } from './task-choice.js';

function task(slot: number, nodeId: string, status: Partial<TaskStatus> = {}, fields: Partial<Task> = {}): Task {
  return Task.create({
    id: `${slot}@${nodeId}`,
    serviceName: 'web',
    slot,
    nodeId,
    desiredState: TaskState.RUNNING,
    status: TaskStatus.create({ state: TaskState.RUNNING, ...status }),
    ...fields,
  });
}

const chosen = (...tasks: Task[]) => chooseTask('web', tasks, 'running', 'here').task.id;

test('chooseTask - the lowest slot, one on this node first, an unhealthy one last', () => {
  expect(chosen(task(10, 'a'), task(2, 'b'))).toBe('2@b');
  expect(chosen(task(1, 'a'), task(2, 'here'))).toBe('2@here');
  expect(chosen(task(1, 'here', { health: HealthState.UNHEALTHY }), task(2, 'b'))).toBe('2@b');
});

test('chooseTask - one that is to stay before one that goes, and that before none', () => {
  const going = task(1, 'here', {}, { desiredState: TaskState.SHUTDOWN });
  expect(chosen(going, task(2, 'b'))).toBe('2@b');
  expect(chosen(going, task(1, 'b', { state: TaskState.STARTING }))).toBe('1@here');
});

test('chooseTask - the others are named, each slot once', () => {
  const tasks = [task(1, 'a'), task(2, 'b'), task(3, 'c', { state: TaskState.FAILED })];
  expect(chooseTask('web', tasks, 'running', 'b').others).toEqual(['web.1']);
  expect(chooseTask('web.1', [task(1, 'a')], 'running', 'b').others).toEqual([]);
});

test('chooseTask - says why none will do', () => {
  const waiting = task(1, '', { state: TaskState.PENDING, message: 'no suitable node' });
  expect(() => chooseTask('web.1', [waiting], 'running', 'here')).toThrow(
    'web.1 is not running: web.1 is pending (no suitable node)',
  );
  const failed = task(1, 'a', { state: TaskState.FAILED, error: 'task: non-zero exit (1)' });
  expect(() => chooseTask('web', [failed], 'running', 'here')).toThrow(
    'web is not running: web.1 is failed (task: non-zero exit (1))',
  );
  expect(chooseTask('web', [failed], 'container', 'here').task).toBe(failed);
  expect(() => chooseTask('web.9', [], 'none', 'here')).toThrow('no such task: web.9 has none');
});
