import { expect, test } from 'vitest';
import { type Recommendation, recent, stabilise } from './stabilise.js';

const WINDOWS = { up: 15_000, down: 180_000 };
const NOW = 1_000_000;
/** `[seconds ago, tasks]`, oldest first. */
const past = (...entries: readonly (readonly [number, number])[]): Recommendation[] =>
  entries.map(([ago, replicas]) => ({ at: NOW - ago * 1000, replicas }));

test.each<[string, Recommendation[], number, number]>([
  ['more is asked for all through the window', past([15, 2], [10, 4], [5, 6], [0, 5]), 2, 4],
  ['more is asked for, but not for long', past([10, 2], [5, 6], [0, 6]), 2, 2],
  ['fewer are enough all through the window', past([180, 9], [90, 2], [0, 3]), 9, 3],
  ['fewer are enough, but not for long', past([170, 9], [90, 2], [0, 2]), 9, 9],
  ['a part of them is too many', past([170, 5], [90, 2], [0, 2]), 9, 5],
  ['it is as asked for', past([10, 4], [5, 4], [0, 4]), 4, 4],
])('stabilise - %s', (_, recommendations, current, to) => {
  expect(stabilise(recommendations, current, NOW, WINDOWS)).toBe(to);
});

test('stabilise - without windows what is asked for last is done', () => {
  expect(stabilise(past([1, 2], [0, 7]), 2, NOW, { up: 0, down: 0 })).toBe(7);
  expect(stabilise(past([1, 7], [0, 2]), 7, NOW, { up: 0, down: 0 })).toBe(2);
});

test('recent - forgets what is older than both windows', () => {
  expect(recent(past([181, 1], [180, 2], [179, 3], [0, 4]), NOW, WINDOWS).map(({ replicas }) => replicas)).toEqual([
    3, 4,
  ]);
});
