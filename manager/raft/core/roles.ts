import { InvariantError } from './errors.js';
import { hex } from './logger.js';
import { appendEntries } from './proposals.js';
import type { Raft } from './raft.js';
import { EntryType, type NodeId, None, noBytes, type Term } from './types.js';

export function becomeFollower(r: Raft, term: Term, lead: NodeId): void {
  r.reset(term);
  r.lead = lead;
  r.state = 'StateFollower';
  r.logger.info(`${hex(r.id)} became follower at term ${r.term}`);
}

/** Asks without a commitment: neither term nor vote change. */
export function becomePreCandidate(r: Raft): void {
  if (r.state === 'StateLeader') throw new InvariantError('invalid transition [leader -> pre-candidate]');
  r.tracker.resetVotes();
  r.lead = None;
  r.state = 'StatePreCandidate';
  r.logger.info(`${hex(r.id)} became pre-candidate at term ${r.term}`);
}

export function becomeCandidate(r: Raft): void {
  if (r.state === 'StateLeader') throw new InvariantError('invalid transition [leader -> candidate]');
  r.reset(r.term + 1);
  r.vote = r.id;
  r.state = 'StateCandidate';
  r.logger.info(`${hex(r.id)} became candidate at term ${r.term}`);
}

export function becomeLeader(r: Raft): void {
  if (r.state === 'StateFollower') throw new InvariantError('invalid transition [follower -> leader]');
  r.reset(r.term);
  r.lead = r.id;
  r.state = 'StateLeader';
  const own = r.tracker.progress.get(r.id);
  if (!own) throw new InvariantError(`leader ${r.id} is not in its own configuration`);
  own.becomeReplicate();
  own.recentActive = true;
  // There may be a change of configuration in the tail of the log. Rather than look, wait until the
  // tail is applied before another is let in.
  r.pendingConfIndex = r.log.lastIndex();
  // Entries of older terms are committed only together with one of this term (Raft paper, 5.4.2).
  if (!appendEntries(r, [{ term: 0, index: 0, type: EntryType.EntryNormal, data: noBytes }]))
    throw new InvariantError('the empty entry of a new leader was dropped');
  r.logger.info(`${hex(r.id)} became leader at term ${r.term}`);
}
