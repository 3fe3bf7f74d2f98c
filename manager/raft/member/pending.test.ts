import { expect, test } from 'vitest';
import { ManualClock } from '../../../lib/clock.js';
import { PendingProposals } from './pending.js';
import { FATE_TIMEOUT } from './settings.js';

/** What has become of a proposal so far: its index, or the code of its error. */
function fateOf(proposal: Promise<number>): () => unknown {
  let fate: unknown = 'pending';
  proposal.then(
    (index) => {
      fate = index;
    },
    (error: { code: string }) => {
      fate = error.code;
    },
  );
  return () => fate;
}

test('pending - what a lost leadership left open is not known after a while', async () => {
  const clock = new ManualClock();
  const pending = new PendingProposals(clock);
  const fate = fateOf(pending.add(7, 1));
  pending.leadershipLost();
  await clock.advance(FATE_TIMEOUT - 1);
  expect(fate()).toBe('pending');
  await clock.advance(1);
  expect(fate()).toBe('UNKNOWN');
});

test('pending - what is proposed by who leads again meanwhile is not given up with it', async () => {
  const clock = new ManualClock();
  const pending = new PendingProposals(clock);
  const before = fateOf(pending.add(7, 1));
  pending.leadershipLost();
  await clock.advance(FATE_TIMEOUT / 2);
  const after = fateOf(pending.add(9, 3));
  await clock.advance(FATE_TIMEOUT / 2);
  expect([before(), after()]).toEqual(['UNKNOWN', 'pending']);
  pending.applied({ index: 9, term: 3 });
  await clock.advance(0);
  expect(after()).toBe(9);
});

test('pending - each loss gives its own proposals up, in its own time', async () => {
  const clock = new ManualClock();
  const pending = new PendingProposals(clock);
  const first = fateOf(pending.add(7, 1));
  pending.leadershipLost();
  await clock.advance(FATE_TIMEOUT / 2);
  const second = fateOf(pending.add(9, 3));
  pending.leadershipLost();
  await clock.advance(FATE_TIMEOUT / 2);
  expect([first(), second()]).toEqual(['UNKNOWN', 'pending']);
  await clock.advance(FATE_TIMEOUT / 2);
  expect(second()).toBe('UNKNOWN');
});

test('pending - an entry of another term at its index says that it is lost', async () => {
  const clock = new ManualClock();
  const pending = new PendingProposals(clock);
  const fate = fateOf(pending.add(7, 1));
  pending.leadershipLost();
  pending.applied({ index: 7, term: 2 });
  await clock.advance(FATE_TIMEOUT);
  expect(fate()).toBe('UNAVAILABLE');
});
