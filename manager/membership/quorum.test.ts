import { expect, test } from 'vitest';
import type { GroupMember } from '../raft/member/group.js';
import { whyNeeded } from './quorum.js';

/** `u` a voter that answers, `d` one that does not, `n` one that was not asked yet, `l` a learner; ids count from 1. */
function membersOf(letters: string): GroupMember[] {
  return [...letters].map((letter, i) => ({
    raftId: i + 1,
    voter: letter !== 'l',
    leader: i === 0,
    reachable: letter !== 'd',
    answered: letter !== 'd' && letter !== 'n',
    caughtUp: true,
    address: `203.0.113.${i + 1}:2377`,
  }));
}

test.each([
  ['u', 1, 'it is the last manager'],
  ['ul', 1, 'it is the last manager'],
  ['uu', 2, undefined],
  ['ud', 2, undefined],
  ['ud', 1, 'of the 1 managers that would be left 1 are needed and 0 can be reached (not 203.0.113.2:2377)'],
  ['uuu', 1, undefined],
  ['uud', 3, undefined],
  ['uud', 2, 'of the 2 managers that would be left 2 are needed and 1 can be reached'],
  ['uun', 2, 'of the 2 managers that would be left 2 are needed and 1 can be reached'],
  ['uuudd', 5, undefined],
  ['uuudd', 1, 'of the 4 managers that would be left 3 are needed and 2 can be reached'],
  ['uudl', 4, undefined],
  ['uuu', 9, undefined],
])('whyNeeded - of %s, removing %i: %s', (letters, raftId, reason) => {
  const why = whyNeeded(membersOf(letters), raftId);
  if (reason === undefined) expect(why).toBeUndefined();
  else expect(why).toContain(reason);
});
