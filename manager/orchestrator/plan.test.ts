import { expect, test } from 'vitest';
import { Task, TaskState, TaskStatus } from '../../proto/gen/index.js';
import { chooseSurplus } from './plan.js';

function slot(key: number, nodeId: string, state: TaskState = TaskState.RUNNING): readonly [string, readonly Task[]] {
  const status = TaskStatus.create({ state });
  return [String(key), [Task.create({ id: `t${key}`, slot: key, nodeId, status, desiredState: TaskState.RUNNING })]];
}

test('chooseSurplus - what does not run goes first', () => {
  const slots = [slot(1, 'a', TaskState.PREPARING), slot(2, 'a'), slot(3, 'b'), slot(4, '', TaskState.PENDING)];
  expect(chooseSurplus(slots, 2)).toEqual(['4', '1']);
});

test('chooseSurplus - then from the node that has most, the highest number first', () => {
  const slots = [slot(1, 'a'), slot(2, 'a'), slot(3, 'a'), slot(4, 'b'), slot(5, 'b'), slot(6, 'c')];
  expect(chooseSurplus(slots, 1)).toEqual(['3']);
  expect(chooseSurplus(slots, 3)).toEqual(['3', '5', '2']);
  expect(chooseSurplus(slots, 0)).toEqual([]);
  expect(chooseSurplus(slots, -2)).toEqual([]);
});
