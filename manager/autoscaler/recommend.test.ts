import { expect, test } from 'vitest';
import { limitStep, recommend } from './recommend.js';

const shares = (count: number, share: number) => Array.from({ length: count }, () => share);

test.each<[string, number, readonly number[], number]>([
  ['twice the target asks for twice the tasks', 2, shares(2, 2), 4],
  ['half the target asks for half of them', 4, shares(4, 0.5), 2],
  ['a quotient is rounded up', 3, shares(3, 1.2), 4],
  ['rounding errors ask for nothing', 10, shares(10, 0.7), 7],
  ['within a tenth of the target all stays', 20, shares(20, 1.09), 20],
  ['likewise below it', 20, shares(20, 0.91), 20],
  ['without a report all stays', 3, [], 3],
  ['what has not reported is idle when there are too few', 4, shares(2, 3), 6],
  ['and does not turn the change round', 4, shares(2, 1.5), 4],
  ['what has not reported is busy when there are too many', 4, shares(3, 0.2), 3],
  ['and does not turn the change round either', 2, shares(1, 0.8), 2],
  ['no load at all asks for none', 3, shares(3, 0), 0],
  ['tasks that are still there beyond the number share the load', 2, shares(4, 1), 2],
])('recommend - %s', (_, replicas, reported, asked) => {
  expect(recommend({ replicas, shares: reported, busy: 5 / 3 })).toBe(asked);
});

test.each([
  [1, 50, 5],
  [2, 50, 6],
  [10, 50, 20],
  [10, 11, 11],
  [10, 1, 1],
])('limitStep - from %i, asked for %i: %i', (replicas, asked, to) => {
  expect(limitStep(replicas, asked)).toBe(to);
});
