import { expect, test } from 'vitest';
import { ManualClock } from '../../lib/clock.js';
import { silentLogger } from '../../lib/log.js';
import type { GroupMember } from '../raft/member/group.js';
import { openTestStore } from '../store/testing.js';
import { SoleMember } from '../testing/sole-member.js';
import { Roster } from './roster.js';

/** The group of a leader that has just been elected. */
class NewlyLed extends SoleMember {
  other: Pick<GroupMember, 'reachable' | 'answered'> = { reachable: true, answered: false };

  override members(): readonly GroupMember[] {
    const [self] = super.members();
    return self ? [self, { ...self, raftId: 2, leader: false, ...this.other }] : [];
  }
}

async function openRoster() {
  const clock = new ManualClock();
  const group = new NewlyLed();
  const identity = { group: 'test', secret: new Uint8Array(32) };
  const store = await openTestStore();
  const roster = new Roster({ store, group: () => group, identity, clock, log: silentLogger });
  let isInformed = false;
  const informed = roster.informed(new AbortController().signal).then(() => {
    isInformed = true;
  });
  await clock.advance(200);
  expect(isInformed).toBe(false);
  return { clock, group, informed };
}

test('informed - when the other managers have answered the new leader', async () => {
  const { clock, group, informed } = await openRoster();
  group.other = { reachable: true, answered: true };
  await clock.advance(50);
  await informed;
});

test('informed - when they had time enough to answer and have not', async () => {
  const { clock, group, informed } = await openRoster();
  group.other = { reachable: false, answered: false };
  await clock.advance(50);
  await informed;
});

test('informed - does not wait for ever', async () => {
  const { clock, informed } = await openRoster();
  await clock.advance(5_000);
  await informed;
});
