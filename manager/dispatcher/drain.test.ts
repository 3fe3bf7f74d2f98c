import { expect, test } from 'vitest';
import { TaskState } from '../../proto/gen/index.js';
import { Drains } from './drain.js';

const TIMEOUT = 5_000;

function held(...nodes: string[]): Drains {
  const drains = new Drains(TIMEOUT);
  drains.begin('task', TaskState.RUNNING, nodes, 1_000);
  return drains;
}

test('holds until each node has acknowledged the message that told it, or a later one', () => {
  const drains = held('a', 'b');
  drains.sent('a', 7);
  drains.sent('b', 3);
  expect(drains.acknowledged('a', 6)).toEqual([]);
  expect(drains.acknowledged('a', 7)).toEqual([]);
  expect(drains.held('task')).toBe(TaskState.RUNNING);
  expect(drains.acknowledged('b', 9)).toEqual(['task']);
  expect(drains.held('task')).toBeUndefined();
});

test('an acknowledgement from before the message was sent does not count', () => {
  const drains = held('a');
  expect(drains.acknowledged('a', 99)).toEqual([]);
  drains.sent('a', 100);
  drains.sent('a', 101);
  expect(drains.acknowledged('a', 100)).toEqual(['task']);
});

test('a node whose session has ended is waited for, until it has acknowledged within a new one', () => {
  const drains = held('a');
  drains.sent('a', 7);
  drains.disconnected('a');
  expect(drains.acknowledged('a', 7)).toEqual([]);
  drains.sent('a', 1);
  expect(drains.acknowledged('a', 1)).toEqual(['task']);
});

test('a node that is down is not waited for', () => {
  const drains = held('a', 'b');
  drains.sent('a', 1);
  expect(drains.gone('b')).toEqual([]);
  expect(drains.acknowledged('a', 1)).toEqual(['task']);
});

test('with nobody to wait for nothing is held', () => {
  expect(held().held('task')).toBeUndefined();
});

test('past the deadline it is released, and who has not answered is named', () => {
  const drains = held('a', 'b');
  drains.begin('later', TaskState.RUNNING, ['a'], 2_000);
  drains.sent('a', 1);
  drains.sent('b', 1);
  drains.acknowledged('b', 1);
  expect(drains.nextDeadline()).toBe(1_000 + TIMEOUT);
  expect(drains.expire(999 + TIMEOUT)).toEqual([]);
  expect(drains.expire(1_000 + TIMEOUT)).toEqual([{ taskId: 'task', nodes: ['a'] }]);
  expect(drains.nextDeadline()).toBe(2_000 + TIMEOUT);
});

test('a task that stops by itself is not held, and is not begun twice', () => {
  const drains = held('a');
  drains.begin('task', TaskState.RUNNING, ['b'], 5_000);
  expect(drains.nextDeadline()).toBe(1_000 + TIMEOUT);
  drains.cancel('task');
  expect(drains.held('task')).toBeUndefined();
  drains.sent('a', 1);
  expect(drains.acknowledged('a', 1)).toEqual([]);
  expect(drains.nextDeadline()).toBeUndefined();
});
