import { hup } from './election.js';
import { stepLeader } from './leader.js';
import type { Raft } from './raft.js';
import { MsgType, message, None } from './types.js';

/** Time passes by one tick. */
export function tick(r: Raft): void {
  if (r.state === 'StateLeader') tickHeartbeat(r);
  else tickElection(r);
}

/**
 * How many ticks from now the first one comes that may do something: the others are only counted, so that it makes no
 * difference when, as long as they are before the next input. Infinite where none will before something else happens.
 */
export function ticksToNext(r: Raft): number {
  if (r.state !== 'StateLeader')
    return r.promotable() ? Math.max(1, r.randomizedElectionTimeout - r.electionElapsed) : Number.POSITIVE_INFINITY;
  // Without others there is nobody to be heard of, nor any whose silence would count.
  if (r.tracker.progress.size === 1 && r.tracker.progress.has(r.id)) return Number.POSITIVE_INFINITY;
  const { electionTick, heartbeatTick } = r.config;
  return Math.max(1, Math.min(electionTick - r.electionElapsed, heartbeatTick - r.heartbeatElapsed));
}

function tickElection(r: Raft): void {
  r.electionElapsed++;
  if (!r.promotable() || r.electionElapsed < r.randomizedElectionTimeout) return;
  r.electionElapsed = 0;
  hup(r, r.config.preVote ? 'pre-election' : 'election');
}

function tickHeartbeat(r: Raft): void {
  r.heartbeatElapsed++;
  r.electionElapsed++;
  if (r.electionElapsed >= r.config.electionTick) {
    r.electionElapsed = 0;
    if (r.config.checkQuorum) stepLeader(r, message({ type: MsgType.MsgCheckQuorum, from: r.id }));
    // The target did not take over in time: this leader takes proposals again.
    if (r.state === 'StateLeader') r.leadTransferee = None;
  }
  if (r.state !== 'StateLeader' || r.heartbeatElapsed < r.config.heartbeatTick) return;
  r.heartbeatElapsed = 0;
  stepLeader(r, message({ type: MsgType.MsgBeat, from: r.id }));
}
