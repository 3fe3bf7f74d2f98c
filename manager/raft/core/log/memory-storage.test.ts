import { expect, test } from 'vitest';
import { InvariantError, type RaftError } from '../errors.js';
import { ConfState, Entry, Snapshot, SnapshotMetadata } from '../types.js';
import { MemoryStorage } from './memory-storage.js';

const unlimited = Number.POSITIVE_INFINITY;
const entry = (index: number, term: number) => Entry.create({ index, term });

/** 3/3 is compacted, 4/4 and 5/5 are kept. */
function storage(): MemoryStorage {
  const s = new MemoryStorage();
  s.append([entry(1, 1), entry(2, 2), entry(3, 3), entry(4, 4), entry(5, 5)]);
  s.compact(3);
  return s;
}

const terms = (s: MemoryStorage) => s.entries(s.firstIndex(), s.lastIndex() + 1, unlimited).map(({ term }) => term);

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return (error as RaftError).code;
  }
  return 'none';
}

test('memory storage - keeps the term of the last compacted entry', () => {
  const s = storage();
  expect([s.firstIndex(), s.lastIndex(), s.term(3), s.term(5)]).toEqual([4, 5, 3, 5]);
  expect(codeOf(() => s.term(2))).toBe('compacted');
  expect(codeOf(() => s.term(6))).toBe('unavailable');
  expect(codeOf(() => s.entries(3, 5, unlimited))).toBe('compacted');
  expect(codeOf(() => s.entries(4, 7, unlimited))).toBe('unavailable');
  expect(codeOf(() => s.compact(3))).toBe('compacted');
});

test.each([
  { what: 'nothing', append: [], result: [4, 5] },
  { what: 'the next', append: [entry(6, 6)], result: [4, 5, 6] },
  { what: 'over the end', append: [entry(5, 6)], result: [4, 6] },
  { what: 'over all', append: [entry(4, 6), entry(5, 6)], result: [6, 6] },
  { what: 'partly compacted ones', append: [entry(2, 3), entry(3, 3), entry(4, 6)], result: [6] },
  { what: 'wholly compacted ones', append: [entry(2, 3), entry(3, 3)], result: [4, 5] },
])('memory storage - appends $what', ({ append, result }) => {
  const s = storage();
  s.append(append);
  expect(terms(s)).toEqual(result);
});

test('memory storage - refuses a gap', () => {
  expect(() => storage().append([entry(7, 6)])).toThrow(InvariantError);
});

test('memory storage - a snapshot replaces everything older', () => {
  const s = storage();
  const confState = ConfState.create({ voters: [1, 2] });
  const snapshot = Snapshot.create({ metadata: SnapshotMetadata.create({ index: 9, term: 7, confState }) });
  s.applySnapshot(snapshot);
  expect([s.firstIndex(), s.lastIndex(), s.term(9)]).toEqual([10, 9, 7]);
  expect(s.initialState().confState).toEqual(confState);
  expect(codeOf(() => s.applySnapshot(snapshot))).toBe('snapshot-out-of-date');
});

test('memory storage - makes snapshots of what it holds', () => {
  const s = storage();
  const made = s.createSnapshot(4, ConfState.create({ voters: [1] }), Uint8Array.of(1));
  expect([made.metadata.index, made.metadata.term]).toEqual([4, 4]);
  expect(s.createSnapshot(5, undefined, Uint8Array.of(2)).metadata.confState.voters).toEqual([1]);
  expect(codeOf(() => s.createSnapshot(5, undefined, Uint8Array.of(3)))).toBe('snapshot-out-of-date');
});
