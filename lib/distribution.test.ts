import { expect, test } from 'vitest';
import { Distribution } from './distribution.js';

test('distribution - each bucket has all values up to its bound; those beyond count all the same', () => {
  const distribution = new Distribution([1, 10]);
  for (const value of [0.5, 1, 7, 100]) distribution.observe(value);
  expect(distribution.counts()).toEqual({
    buckets: [
      { upTo: 1, count: 2 },
      { upTo: 10, count: 3 },
    ],
    count: 4,
    sum: 108.5,
  });
});
