import { expect, test } from 'vitest';
import { entriesSize, entrySize, limitSize, payloadsSize, sliceWithin } from './entries.js';
import { Entry } from './types.js';

const entry = (size: number, index = 1, term = 1) => Entry.create({ index, term, data: new Uint8Array(size) });

test('entries - an entry is as large as its encoding, zeros counted', () => {
  for (const [index, term, size] of [
    [1, 1, 3],
    [127, 128, 0],
    [300, 2 ** 40, 500],
    [Number.MAX_SAFE_INTEGER, 1, 100_000],
  ] as const) {
    const encoded = Entry.encode(entry(size, index, term)).length;
    // The encoding leaves out the type, which is zero: tag and value.
    expect(entrySize(entry(size, index, term))).toBe(encoded + 2);
  }
});

test('entries - cuts to the limit, but to one entry at least', () => {
  const list = [entry(100, 1), entry(100, 2), entry(100, 3)];
  const one = entrySize(entry(100));
  expect(limitSize(list, 0)).toHaveLength(1);
  expect(limitSize(list, 2 * one - 1)).toHaveLength(1);
  expect(limitSize(list, 2 * one)).toHaveLength(2);
  expect(limitSize(list, Number.POSITIVE_INFINITY)).toBe(list);
  expect(limitSize([], 0)).toEqual([]);
});

test('entries - a slice is cut to the limit, but to one entry at least', () => {
  const list = [entry(100, 1), entry(100, 2), entry(100, 3), entry(100, 4)];
  const one = entrySize(entry(100));
  const cut = (from: number, to: number, maxSize: number) =>
    sliceWithin(list, from, to, maxSize).map(({ index }) => index);
  expect(cut(1, 4, 0)).toEqual([2]);
  expect(cut(1, 4, 2 * one - 1)).toEqual([2]);
  expect(cut(1, 4, 2 * one)).toEqual([2, 3]);
  expect(cut(1, 3, 9 * one)).toEqual([2, 3]);
  expect(cut(1, 4, Number.POSITIVE_INFINITY)).toEqual([2, 3, 4]);
  expect(cut(2, 2, 0)).toEqual([]);
  expect(sliceWithin(list, 0, 4, Number.POSITIVE_INFINITY)).not.toBe(list);
});

test('entries - an empty entry has size but no payload', () => {
  expect(payloadsSize([entry(0), entry(7)])).toBe(7);
  expect(entriesSize([entry(0)])).toBeGreaterThan(0);
});
