import { describe, expect, test } from 'vitest';
import { slots } from './slots.js';

const backends = (weights: Readonly<Record<string, number>>) =>
  Object.entries(weights).map(([address, weight]) => ({ address, weight }));

describe('slots', () => {
  test.each<[string, Readonly<Record<string, number>>, string]>([
    ['equal weights take one turn each', { a: 1, b: 1, c: 1 }, 'abc'],
    ['common divisors are taken out', { a: 100, b: 100 }, 'ab'],
    ['weights are spread, not heaped', { a: 5, b: 1, c: 1 }, 'aabacaa'],
    ['weight 0 has no turn', { a: 1, b: 0 }, 'a'],
    ['none when all drain', { a: 0 }, ''],
    ['none when there is none', {}, ''],
  ])('%s', (_, weights, turns) => {
    expect(slots(backends(weights)).join('')).toBe(turns);
  });
});
