import type { Index, NodeId } from '../types.js';
import {
  type AckedIndexer,
  type MajorityConfig,
  majorityCommitted,
  majorityString,
  majorityVote,
  type VoteResult,
} from './majority.js';

/**
 * Two sets of voters that must agree (thesis 4.3). Outside of a change of configuration `outgoing`
 * is empty, and the incoming majority alone decides.
 */
export interface JointConfig {
  readonly incoming: MajorityConfig;
  readonly outgoing: MajorityConfig;
}

export function jointCommitted(config: JointConfig, acked: AckedIndexer): Index {
  return Math.min(majorityCommitted(config.incoming, acked), majorityCommitted(config.outgoing, acked));
}

export function jointVote(config: JointConfig, votes: ReadonlyMap<NodeId, boolean>): VoteResult {
  const incoming = majorityVote(config.incoming, votes);
  const outgoing = majorityVote(config.outgoing, votes);
  if (incoming === outgoing) return incoming;
  if (incoming === 'VoteLost' || outgoing === 'VoteLost') return 'VoteLost';
  return 'VotePending';
}

/** All voters of either half, in order. */
export function jointIds(config: JointConfig): NodeId[] {
  return [...new Set([...config.incoming, ...config.outgoing])].sort((a, b) => a - b);
}

export function isVoter(config: JointConfig, id: NodeId): boolean {
  return config.incoming.has(id) || config.outgoing.has(id);
}

export function jointString(config: JointConfig): string {
  const incoming = majorityString(config.incoming);
  return config.outgoing.size > 0 ? `${incoming}&&${majorityString(config.outgoing)}` : incoming;
}
