import { expect, test } from 'vitest';
import { InvariantError } from '../errors.js';
import { silentLogger } from '../logger.js';
import { Entry, Snapshot, SnapshotMetadata } from '../types.js';
import { Unstable } from './unstable.js';

const entry = (index: number, term: number) => Entry.create({ index, term });
const indexes = (list: readonly Entry[]) => list.map(({ index, term }) => `${term}/${index}`);

function unstable(...list: readonly Entry[]): Unstable {
  const u = new Unstable(5, silentLogger);
  u.truncateAndAppend(list);
  return u;
}

test('unstable - hands out each entry once', () => {
  const u = unstable(entry(5, 1), entry(6, 1));
  expect(indexes(u.nextEntries())).toEqual(['1/5', '1/6']);
  u.acceptInProgress();
  expect(u.hasNextEntries()).toBe(false);
  u.truncateAndAppend([entry(7, 1)]);
  expect(indexes(u.nextEntries())).toEqual(['1/7']);
});

test('unstable - overwriting hands out again from there on', () => {
  const u = unstable(entry(5, 1), entry(6, 1), entry(7, 1));
  u.acceptInProgress();
  u.truncateAndAppend([entry(6, 2)]);
  expect(indexes(u.nextEntries())).toEqual(['2/6']);
  expect(indexes(u.slice(5, 7, Number.POSITIVE_INFINITY))).toEqual(['1/5', '2/6']);
  u.acceptInProgress();
  u.truncateAndAppend([entry(4, 3), entry(5, 3)]);
  expect([u.offset, ...indexes(u.nextEntries())]).toEqual([4, '3/4', '3/5']);
});

test('unstable - forgets what is written, unless it was overwritten', () => {
  const u = unstable(entry(5, 1), entry(6, 1));
  u.acceptInProgress();
  u.truncateAndAppend([entry(6, 2)]);
  u.stableTo({ index: 6, term: 1 });
  expect([u.offset, u.length]).toEqual([5, 2]);
  u.stableTo({ index: 9, term: 1 });
  u.stableTo({ index: 4, term: 1 });
  expect(u.length).toBe(2);
  u.stableTo({ index: 5, term: 1 });
  expect([u.offset, u.length, u.term(5), u.term(6)]).toEqual([6, 1, undefined, 2]);
  u.stableTo({ index: 6, term: 2 });
  expect([u.offset, u.offsetInProgress, u.length]).toEqual([7, 7, 0]);
});

test('unstable - a snapshot gives the first index and the term before it', () => {
  const u = unstable(entry(5, 1));
  u.restore(Snapshot.create({ metadata: SnapshotMetadata.create({ index: 20, term: 3 }) }));
  expect([u.firstIndex(), u.lastIndex(), u.term(20), u.term(5), u.offset]).toEqual([21, 20, 3, undefined, 21]);
  u.stableTo({ index: 20, term: 3 });
  expect(u.snapshot).toBeDefined();
  u.acceptInProgress();
  expect(u.nextSnapshot()).toBeUndefined();
  u.stableSnapTo(19);
  expect(u.snapshot).toBeDefined();
  u.stableSnapTo(20);
  expect([u.snapshot, u.firstIndex(), u.lastIndex()]).toEqual([undefined, undefined, undefined]);
});

test('unstable - what it hands out does not change when it does', () => {
  const u = unstable(entry(5, 1), entry(6, 1));
  const before = [u.nextEntries(), u.slice(5, 7, Number.POSITIVE_INFINITY)];
  u.truncateAndAppend([entry(5, 2)]);
  u.stableTo({ index: 5, term: 2 });
  expect(before.map(indexes)).toEqual([
    ['1/5', '1/6'],
    ['1/5', '1/6'],
  ]);
});

test('unstable - refuses a gap and what it does not hold', () => {
  const u = unstable(entry(5, 1));
  expect(() => u.truncateAndAppend([entry(7, 1)])).toThrow(InvariantError);
  expect(() => u.slice(4, 6, Number.POSITIVE_INFINITY)).toThrow(InvariantError);
  expect(() => u.slice(5, 7, Number.POSITIVE_INFINITY)).toThrow(InvariantError);
});
