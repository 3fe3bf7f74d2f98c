import type { Index, NodeId } from '../types.js';

/** A set of voters that decides by majority. */
export type MajorityConfig = ReadonlySet<NodeId>;

/** The index that a voter has acknowledged, or undefined when it has not reported. */
export type AckedIndexer = (id: NodeId) => Index | undefined;

export type VoteResult = 'VotePending' | 'VoteLost' | 'VoteWon';

/**
 * The highest index that a majority has acknowledged. Infinity for the empty set, so that as one
 * half of a joint quorum it leaves the decision to the other half.
 */
export function majorityCommitted(voters: MajorityConfig, acked: AckedIndexer): Index {
  if (voters.size === 0) return Number.POSITIVE_INFINITY;
  const indexes: Index[] = [];
  for (const id of voters) indexes.push(acked(id) ?? 0);
  indexes.sort((a, b) => b - a);
  return indexes[Math.floor(voters.size / 2)] ?? 0;
}

/** Whether a majority has said yes, can no longer say yes, or neither. The empty set says yes. */
export function majorityVote(voters: MajorityConfig, votes: ReadonlyMap<NodeId, boolean>): VoteResult {
  if (voters.size === 0) return 'VoteWon';
  let yes = 0;
  let missing = 0;
  for (const id of voters) {
    const vote = votes.get(id);
    if (vote === undefined) missing++;
    else if (vote) yes++;
  }
  const quorum = Math.floor(voters.size / 2) + 1;
  if (yes >= quorum) return 'VoteWon';
  return yes + missing >= quorum ? 'VotePending' : 'VoteLost';
}

export function majorityString(voters: MajorityConfig): string {
  return `(${[...voters].sort((a, b) => a - b).join(' ')})`;
}
