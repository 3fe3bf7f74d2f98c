import { expect, test } from 'vitest';
import { InvariantError } from '../errors.js';
import { Inflights } from './inflights.js';
import { Progress } from './progress.js';

function progress(match: number, next: number): Progress {
  return new Progress({ match, next, isLearner: false, recentActive: true, inflights: new Inflights(3) });
}

test('progress - prints what is out of the ordinary', () => {
  const p = progress(1, 2);
  expect(String(p)).toBe('StateProbe match=1 next=2');
  p.becomeReplicate();
  for (let i = 0; i < 3; i++) p.sentEntries(1, 10);
  expect(String(p)).toBe('StateReplicate match=1 next=5 paused inflight=3[full]');
  p.becomeSnapshot(9);
  p.isLearner = true;
  p.recentActive = false;
  expect(String(p)).toBe('StateSnapshot match=1 next=10 learner paused pendingSnap=9 inactive');
});

test('progress - probing sends one message at a time, replicating until the window is full', () => {
  const p = progress(0, 5);
  p.sentEntries(2, 20);
  expect([p.paused, p.next]).toEqual([true, 5]);
  p.maybeUpdate(6);
  p.becomeReplicate();
  expect([p.paused, p.next]).toEqual([false, 7]);
  for (const next of [9, 11, 13]) {
    p.sentEntries(2, 20);
    expect(p.next).toBe(next);
  }
  expect(p.paused).toBe(true);
  p.becomeSnapshot(20);
  expect(() => p.sentEntries(1, 1)).toThrow(InvariantError);
});

test('progress - an acknowledgement moves match forward only, and next behind it', () => {
  const p = progress(3, 5);
  expect(p.maybeUpdate(3)).toBe(false);
  expect(p.maybeUpdate(2)).toBe(false);
  expect(p.maybeUpdate(4)).toBe(true);
  expect([p.match, p.next]).toEqual([4, 5]);
  expect(p.maybeUpdate(9)).toBe(true);
  expect([p.match, p.next]).toEqual([9, 10]);
});

test.each([
  { what: 'replicating: stale', state: 'replicate', match: 5, next: 10, rejected: 5, hint: 5, next2: undefined },
  { what: 'replicating: back to match', state: 'replicate', match: 5, next: 10, rejected: 9, hint: 7, next2: 6 },
  { what: 'probing: not the probe', state: 'probe', match: 0, next: 10, rejected: 5, hint: 5, next2: undefined },
  { what: 'probing: behind the hint', state: 'probe', match: 0, next: 10, rejected: 9, hint: 2, next2: 3 },
  { what: 'probing: not past the rejected', state: 'probe', match: 0, next: 10, rejected: 9, hint: 9, next2: 9 },
  { what: 'probing: never to match', state: 'probe', match: 4, next: 10, rejected: 9, hint: 1, next2: 5 },
])('progress - a rejection, $what', ({ state, match, next, rejected, hint, next2 }) => {
  const p = progress(match, next);
  if (state === 'replicate') {
    p.becomeReplicate();
    p.sentEntries(next - match - 1, 1);
  }
  expect(p.maybeDecrTo(rejected, hint)).toBe(next2 !== undefined);
  expect(p.next).toBe(next2 ?? next);
});

test('progress - probes behind a snapshot that was taken, behind match after one that failed', () => {
  const taken = progress(2, 3);
  taken.becomeSnapshot(10);
  taken.becomeProbe();
  expect(taken.next).toBe(11);
  const failed = progress(2, 3);
  failed.becomeSnapshot(10);
  failed.pendingSnapshot = 0;
  failed.becomeProbe();
  expect(failed.next).toBe(3);
});

test('progress - the commit index is worth a message only while it could move the follower', () => {
  const p = progress(5, 6);
  expect(p.canBumpCommit(4)).toBe(true);
  p.sentCommit(4);
  expect(p.canBumpCommit(4)).toBe(false);
  expect(p.canBumpCommit(9)).toBe(true);
  p.sentCommit(9);
  expect(p.canBumpCommit(20)).toBe(false);
  p.becomeProbe();
  expect(p.canBumpCommit(20)).toBe(false);
  p.maybeUpdate(8);
  expect(p.canBumpCommit(20)).toBe(true);
});

test('progress - a copy changes alone, but for its window', () => {
  const p = progress(1, 2);
  p.becomeReplicate();
  p.sentEntries(1, 1);
  const copy = p.clone();
  expect(String(copy)).toBe(String(p));
  copy.isLearner = true;
  copy.maybeUpdate(9);
  expect([p.isLearner, p.match]).toEqual([false, 1]);
  expect(copy.inflights).toBe(p.inflights);
});
