import { expect, test } from 'vitest';
import { Random } from '../testing/random.js';
import { jointCommitted, jointIds, jointString, jointVote } from './joint.js';
import { majorityCommitted, majorityVote } from './majority.js';

const sets = (random: Random) => new Set(Array.from({ length: random.below(6) }, () => 1 + random.below(7)));

test('majority - commits the highest index that more than half have', () => {
  const random = new Random(1);
  for (let round = 0; round < 2000; round++) {
    const voters = sets(random);
    const acked = new Map([...voters].filter(() => random.chance(0.8)).map((id) => [id, 1 + random.below(5)]));
    const committed = majorityCommitted(voters, (id) => acked.get(id));
    const have = (index: number) => [...voters].filter((id) => (acked.get(id) ?? 0) >= index).length;
    if (voters.size === 0) {
      expect(committed).toBe(Number.POSITIVE_INFINITY);
      continue;
    }
    expect(have(committed)).toBeGreaterThan(voters.size / 2);
    expect(have(committed + 1)).toBeLessThanOrEqual(voters.size / 2);
  }
});

test('majority - a vote is decided when no further answer can change it', () => {
  const random = new Random(2);
  for (let round = 0; round < 500; round++) {
    const voters = sets(random);
    const votes = new Map([...voters].filter(() => random.chance(0.6)).map((id) => [id, random.chance(0.5)]));
    const missing = [...voters].filter((id) => !votes.has(id));
    const complete = (vote: boolean) =>
      majorityVote(voters, new Map([...votes, ...missing.map((id) => [id, vote] as const)]));
    const outcomes = new Set([complete(true), complete(false)]);
    expect(majorityVote(voters, votes)).toBe(outcomes.size === 1 ? [...outcomes][0] : 'VotePending');
  }
});

test('joint - needs both halves, in whichever order', () => {
  const random = new Random(3);
  for (let round = 0; round < 1000; round++) {
    const config = { incoming: sets(random), outgoing: sets(random) };
    const swapped = { incoming: config.outgoing, outgoing: config.incoming };
    const votes = new Map(
      jointIds(config)
        .filter(() => random.chance(0.7))
        .map((id) => [id, random.chance(0.7)]),
    );
    const acked = (id: number) => (votes.has(id) ? id : undefined);
    expect(jointVote(config, votes)).toBe(jointVote(swapped, votes));
    expect(jointCommitted(config, acked)).toBe(jointCommitted(swapped, acked));
    const both = [majorityVote(config.incoming, votes), majorityVote(config.outgoing, votes)];
    expect(jointVote(config, votes) === 'VoteWon').toBe(both.every((result) => result === 'VoteWon'));
    expect(jointVote(config, votes) === 'VoteLost').toBe(both.includes('VoteLost'));
  }
});

test('joint - prints the outgoing half only when there is one', () => {
  expect(jointString({ incoming: new Set([2, 1]), outgoing: new Set() })).toBe('(1 2)');
  expect(jointString({ incoming: new Set([2, 1]), outgoing: new Set([3]) })).toBe('(1 2)&&(3)');
});
