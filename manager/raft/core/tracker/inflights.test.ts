import { expect, test } from 'vitest';
import { InvariantError } from '../errors.js';
import { Random } from '../testing/random.js';
import { Inflights } from './inflights.js';

test('inflights - is full by count', () => {
  const inflights = new Inflights(2);
  inflights.add(1, 100);
  expect(inflights.full).toBe(false);
  inflights.add(2, 100);
  expect(inflights.full).toBe(true);
  expect(() => inflights.add(3, 100)).toThrow(InvariantError);
});

test('inflights - the message that crosses the bytes is let in, the next is not', () => {
  const inflights = new Inflights(10, 100);
  inflights.add(1, 99);
  expect(inflights.full).toBe(false);
  inflights.add(2, 500);
  expect(inflights.full).toBe(true);
  inflights.freeTo(1);
  expect(inflights.full).toBe(true);
  inflights.freeTo(2);
  expect([inflights.count, inflights.full]).toEqual([0, false]);
});

test('inflights - equals a plain list, whatever is added and freed', () => {
  const random = new Random(7);
  const inflights = new Inflights(5, 50);
  let list: { index: number; bytes: number }[] = [];
  let next = 1;
  for (let round = 0; round < 5000; round++) {
    const total = list.reduce((sum, { bytes }) => sum + bytes, 0);
    expect([inflights.count, inflights.full]).toEqual([list.length, list.length >= 5 || total >= 50]);
    if (random.chance(0.01)) {
      inflights.reset();
      list = [];
    } else if (!inflights.full && random.chance(0.6)) {
      next += 1 + random.below(3);
      const bytes = random.below(30);
      inflights.add(next, bytes);
      list.push({ index: next, bytes });
    } else {
      const to = next - random.below(8);
      inflights.freeTo(to);
      list = list.filter(({ index }) => index > to);
    }
  }
});
