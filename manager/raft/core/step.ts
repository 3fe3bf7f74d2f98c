import { appliedSnapshot, appliedTo } from './applied.js';
import { stepCandidate } from './candidate.js';
import { handleVoteRequest, hup, isTransferCampaign } from './election.js';
import { entriesSize, payloadsSize } from './entries.js';
import { stepFollower } from './follower.js';
import { stepLeader } from './leader.js';
import { hex } from './logger.js';
import { reduceUncommittedSize } from './proposals.js';
import type { Raft } from './raft.js';
import { becomeFollower } from './roles.js';
import { type Message, MsgType, MsgTypeName, None, safeInteger } from './types.js';

/**
 * The one way in: every message, from peers, from storage and from the node itself.
 * @throws RaftError (proposal-dropped)
 */
export function step(r: Raft, m: Message): void {
  if (m.term > r.term && !acceptHigherTerm(r, m)) return;
  // Term 0 is that of messages which have none: local ones, proposals, read requests.
  if (m.term !== 0 && m.term < r.term) {
    stepLowerTerm(r, m);
    return;
  }
  switch (m.type) {
    case MsgType.MsgHup:
      hup(r, r.config.preVote ? 'pre-election' : 'election');
      break;
    case MsgType.MsgStorageAppendResp:
      if (m.index !== 0) r.log.stableTo({ index: m.index, term: m.logTerm });
      if (m.snapshot) appliedSnapshot(r, m.snapshot);
      break;
    case MsgType.MsgStorageApplyResp:
      handleApplied(r, m);
      break;
    case MsgType.MsgVote:
    case MsgType.MsgPreVote:
      handleVoteRequest(r, m);
      break;
    default:
      stepRole(r, m);
  }
}

function stepRole(r: Raft, m: Message): void {
  switch (r.state) {
    case 'StateFollower':
      stepFollower(r, m);
      break;
    case 'StatePreCandidate':
    case 'StateCandidate':
      stepCandidate(r, m);
      break;
    case 'StateLeader':
      stepLeader(r, m);
      break;
  }
}

/** Follows a higher term where the message shows that there is one; false when the message is ignored. */
function acceptHigherTerm(r: Raft, m: Message): boolean {
  safeInteger(m.term, 'term');
  const asksVote = m.type === MsgType.MsgVote || m.type === MsgType.MsgPreVote;
  if (asksVote && !isTransferCampaign(m) && inLease(r)) {
    // A node that was cut off or removed must not unseat a leader that works (thesis 4.2.3).
    const ours = r.log.lastEntryId();
    const remaining = r.config.electionTick - r.electionElapsed;
    r.logger.info(
      `${hex(r.id)} [logterm: ${ours.term}, index: ${ours.index}, vote: ${hex(r.vote)}] ignored ${MsgTypeName[m.type]} from ${hex(m.from)} [logterm: ${m.logTerm}, index: ${m.index}] at term ${r.term}: lease is not expired (remaining ticks: ${remaining})`,
    );
    return false;
  }
  // Nobody is in the term of a pre-vote or of its grant yet; a rejection tells of one that exists.
  if (m.type === MsgType.MsgPreVote || (m.type === MsgType.MsgPreVoteResp && !m.reject)) return true;
  r.logger.info(
    `${hex(r.id)} [term: ${r.term}] received a ${MsgTypeName[m.type]} message with higher term from ${hex(m.from)} [term: ${m.term}]`,
  );
  const fromLeader = m.type === MsgType.MsgApp || m.type === MsgType.MsgHeartbeat || m.type === MsgType.MsgSnap;
  becomeFollower(r, m.term, fromLeader ? m.from : None);
  return true;
}

/** Whether this node has heard from a leader so recently that there is no reason for an election. */
function inLease(r: Raft): boolean {
  return r.config.checkQuorum && r.lead !== None && r.electionElapsed < r.config.electionTick;
}

function stepLowerTerm(r: Raft, m: Message): void {
  const fromLeader = m.type === MsgType.MsgHeartbeat || m.type === MsgType.MsgApp;
  if ((r.config.checkQuorum || r.config.preVote) && fromLeader) {
    // This node is stuck: its vote requests are ignored as long as that leader lives, and it ignores
    // that leader. The answer's term makes the leader step down, and an election frees it.
    r.send({ type: MsgType.MsgAppResp, to: m.from });
  } else if (m.type === MsgType.MsgPreVote) {
    // Told of the higher term, the other can catch up with it; silence could block both for good.
    const ours = r.log.lastEntryId();
    r.logger.info(
      `${hex(r.id)} [logterm: ${ours.term}, index: ${ours.index}, vote: ${hex(r.vote)}] rejected ${MsgTypeName[m.type]} from ${hex(m.from)} [logterm: ${m.logTerm}, index: ${m.index}] at term ${r.term}`,
    );
    r.send({ type: MsgType.MsgPreVoteResp, to: m.from, term: r.term, reject: true });
  } else if (m.type === MsgType.MsgStorageAppendResp) {
    // Entries may have been overwritten since in a write that is still under way, see
    // storageAppendResponse(); a snapshot is valid whatever the term.
    if (m.index !== 0)
      r.logger.info(
        `${hex(r.id)} [term: ${r.term}] ignored entry appends from a ${MsgTypeName[m.type]} message with lower term [term: ${m.term}]`,
      );
    if (m.snapshot) appliedSnapshot(r, m.snapshot);
  } else {
    r.logger.info(
      `${hex(r.id)} [term: ${r.term}] ignored a ${MsgTypeName[m.type]} message with lower term from ${hex(m.from)} [term: ${m.term}]`,
    );
  }
}

function handleApplied(r: Raft, m: Message): void {
  const last = m.entries.at(-1);
  if (!last) return;
  appliedTo(r, last.index, entriesSize(m.entries));
  reduceUncommittedSize(r, payloadsSize(m.entries));
}
