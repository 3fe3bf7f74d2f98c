import { expect, test } from 'vitest';
import { entriesSize } from '../entries.js';
import { InvariantError } from '../errors.js';
import { silentLogger } from '../logger.js';
import { deepFreeze } from '../testing/deep-freeze.js';
import { Random } from '../testing/random.js';
import { ConfState, Entry, Snapshot, SnapshotMetadata, type Term } from '../types.js';
import { RaftLog } from './log.js';
import { MemoryStorage } from './memory-storage.js';

/** Entries from `first` on, one for each term. */
const entries = (first: number, ...terms: readonly Term[]) =>
  deepFreeze(
    terms.map((term, i) => Entry.create({ index: first + i, term, data: Buffer.from(`${term}/${first + i}`) })),
  );

const snapshot = (index: number, term: number) =>
  Snapshot.create({ metadata: SnapshotMetadata.create({ index, term, confState: ConfState.create({ voters: [1] }) }) });

/** A log of which the first `stable` terms are in storage, the rest is not written. */
function logOf(terms: readonly Term[], stable = 0, maxApplyingSize?: number): RaftLog {
  const storage = new MemoryStorage();
  storage.append(entries(1, ...terms.slice(0, stable)));
  const log = new RaftLog(storage, silentLogger, maxApplyingSize);
  log.append(entries(stable + 1, ...terms.slice(stable)));
  return log;
}

const termsOf = (log: RaftLog) =>
  (log.entries(log.firstIndex(), Number.POSITIVE_INFINITY) ?? []).map(({ term }) => term);

test.each([
  { what: 'an empty slice on a match', prev: [3, 3], append: [], last: 3, result: [1, 2, 3] },
  { what: 'no match at the entry before', prev: [3, 2], append: [4], last: undefined, result: [1, 2, 3] },
  { what: 'past the end', prev: [4, 3], append: [4], last: undefined, result: [1, 2, 3] },
  { what: 'new entries', prev: [3, 3], append: [4, 4], last: 5, result: [1, 2, 3, 4, 4] },
  { what: 'entries that are here already, cutting nothing', prev: [1, 1], append: [2], last: 2, result: [1, 2, 3] },
  { what: 'a conflict, cutting the tail', prev: [1, 1], append: [4], last: 2, result: [1, 4] },
  { what: 'a conflict behind a match', prev: [1, 1], append: [2, 4, 4], last: 4, result: [1, 2, 4, 4] },
])('log - appends $what', ({ prev: [index = 0, term = 0], append, last, result }) => {
  for (const stable of [0, 1, 2, 3]) {
    const log = logOf([1, 2, 3], stable);
    expect(log.maybeAppend({ prev: { index, term }, entries: entries(index + 1, ...append) }, 0)).toBe(last);
    expect(termsOf(log)).toEqual(result);
  }
});

test('log - a follower commits what the leader has committed, but not past what it was sent', () => {
  const log = logOf([1, 2, 3]);
  log.maybeAppend({ prev: { index: 1, term: 1 }, entries: entries(2, 2) }, 99);
  expect(log.committed).toBe(2);
  log.maybeAppend({ prev: { index: 1, term: 1 }, entries: entries(2, 2) }, 1);
  expect(log.committed).toBe(2);
});

test('log - never gives up what is committed', () => {
  const log = logOf([1, 2, 3]);
  log.commitTo(2);
  expect(() => log.maybeAppend({ prev: { index: 1, term: 1 }, entries: entries(2, 4) }, 0)).toThrow(InvariantError);
  expect(() => log.append(entries(2, 4))).toThrow(InvariantError);
  expect(() => log.commitTo(4)).toThrow(/out of range/);
});

test.each([
  { terms: [2, 2, 5, 5, 5], index: 5, term: 5, found: [5, 5] },
  { terms: [2, 2, 5, 5, 5], index: 5, term: 4, found: [2, 2] },
  { terms: [2, 2, 5, 5, 5], index: 4, term: 9, found: [4, 5] },
  { terms: [2, 2, 5, 5, 5], index: 5, term: 1, found: [0, 0] },
  { terms: [2, 2, 5], index: 9, term: 1, found: [9, 0] },
])('log - guesses where it agrees with one that ends at $index/$term', ({ terms, index, term, found }) => {
  const guess = logOf(terms).findConflictByTerm({ index, term });
  expect([guess.index, guess.term]).toEqual(found);
});

test('log - is up to date by last term, then by length', () => {
  const log = logOf([1, 2, 2]);
  for (const [index, term, upToDate] of [
    [1, 3, true],
    [3, 2, true],
    [4, 2, true],
    [2, 2, false],
    [9, 1, false],
  ] as const)
    expect(log.isUpToDate({ index, term }), `${index}/${term}`).toBe(upToDate);
});

test('log - counts only entries of the own term as committed', () => {
  const log = logOf([1, 2, 2]);
  expect(log.maybeCommit({ index: 2, term: 3 })).toBe(false);
  expect(log.maybeCommit({ index: 3, term: 2 })).toBe(true);
  expect(log.maybeCommit({ index: 2, term: 2 })).toBe(false);
  expect(log.committed).toBe(3);
});

test('log - knows the term of the last compacted entry, and nothing before', () => {
  const storage = new MemoryStorage();
  storage.append(entries(1, 1, 2, 3, 4));
  storage.compact(2);
  const log = new RaftLog(storage, silentLogger);
  expect([log.firstIndex(), log.lastIndex(), log.committed]).toEqual([3, 4, 2]);
  expect([1, 2, 3, 4, 5].map((index) => log.term(index))).toEqual([undefined, 2, 3, 4, undefined]);
  expect(log.slice(2, 4, 99)).toBeUndefined();
});

test('log - reads across storage and what is not written, within the limit', () => {
  const log = logOf([1, 1, 1, 1], 2);
  const size = entriesSize(entries(1, 1));
  for (const [limit, count] of [
    [0, 1],
    [size * 2, 2],
    [size * 3, 3],
    [Number.POSITIVE_INFINITY, 4],
  ] as const)
    expect(
      log.slice(1, 5, limit)?.map(({ index }) => index),
      `${limit}`,
    ).toEqual([1, 2, 3, 4].slice(0, count));
});

test('log - hands out committed entries up to the limit of what is being applied', () => {
  const log = logOf([1, 1, 1], 3, 15);
  log.commitTo(3);
  const first = log.nextCommittedEntries(true);
  expect(first.map(({ index }) => index)).toEqual([1]);
  log.acceptApplying(1, 10, true);
  expect(log.hasNextCommittedEntries(true)).toBe(false);
  log.appliedTo(1, 10);
  expect(log.nextCommittedEntries(true).map(({ index }) => index)).toEqual([2]);
});

test('log - hands out only what is written when asked to', () => {
  const log = logOf([1, 1, 1], 1);
  log.commitTo(3);
  expect(log.nextCommittedEntries(false).map(({ index }) => index)).toEqual([1]);
  expect(log.nextCommittedEntries(true)).toHaveLength(3);
});

test('log - a snapshot replaces it and comes before any entry', () => {
  const log = logOf([1, 1, 1], 2);
  log.restore(snapshot(9, 4));
  expect([log.firstIndex(), log.lastIndex(), log.committed, log.term(9)]).toEqual([10, 9, 9, 4]);
  log.append(entries(10, 4));
  log.commitTo(10);
  expect(log.hasNextCommittedEntries(true)).toBe(false);
  log.acceptUnstable();
  expect([log.nextUnstableSnapshot(), log.hasNextOrInProgressSnapshot()]).toEqual([undefined, true]);
  log.stableSnapTo(9);
  expect(log.hasNextOrInProgressSnapshot()).toBe(false);
});

test('log - equals a plain list, whatever is appended, written late, or overwritten meanwhile', () => {
  const random = new Random(21);
  for (let round = 0; round < 200; round++) {
    const storage = new MemoryStorage();
    const log = new RaftLog(storage, silentLogger);
    let list: Entry[] = [];
    let term = 1;
    /** Handed out for writing, oldest first; `end` is what its report names. */
    const writes: { readonly entries: readonly Entry[]; readonly end: Entry; readonly term: Term }[] = [];
    for (let step = 0; step < 60; step++) {
      const end = list.at(-1);
      if (random.chance(0.4)) {
        if (random.chance(0.3)) term++;
        const from = term > (end?.term ?? 0) ? 1 + random.below(list.length + 1) : list.length + 1;
        const added = entries(from, ...Array.from({ length: 1 + random.below(3) }, () => term));
        list = [...list.slice(0, from - 1), ...added];
        log.append(added);
      } else if (random.chance(0.5) && end && log.hasNextUnstableEntries()) {
        writes.push({ entries: log.nextUnstableEntries(), end, term });
        log.acceptUnstable();
      } else {
        const write = writes.shift();
        if (!write) continue;
        storage.append(write.entries);
        // What was overwritten in a newer term is reported in vain.
        if (write.term === term) log.stableTo({ index: write.end.index, term: write.end.term });
      }
      expect(log.entries(1, Number.POSITIVE_INFINITY)).toEqual(list);
      for (const { index, term: expected } of list) expect(log.term(index)).toBe(expected);
    }
  }
});
