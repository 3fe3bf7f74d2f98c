import { InvariantError } from './errors.js';
import { hex } from './logger.js';
import { jointIds } from './quorum/joint.js';
import type { Raft } from './raft.js';
import { becomeCandidate, becomePreCandidate } from './roles.js';
import type { Tally } from './tracker/tracker.js';
import { EntryType, type Message, MsgType, MsgTypeName, type NodeId, None, noBytes } from './types.js';

/** A transfer is not a recovery from a partition: it needs no pre-vote, and overrides leases. */
export type CampaignType = 'pre-election' | 'election' | 'transfer';

/** What the vote requests of a transfer carry, so that voters override their leader's lease. */
const transferContext: Uint8Array = new TextEncoder().encode('CampaignTransfer');

export function isTransferCampaign(m: Message): boolean {
  return Buffer.compare(m.context, transferContext) === 0;
}

/** Campaigns, unless this node leads, may not lead, or has a configuration yet to apply. */
export function hup(r: Raft, type: CampaignType): void {
  if (r.state === 'StateLeader') {
    r.logger.debug(`${hex(r.id)} ignoring MsgHup because already leader`);
    return;
  }
  if (!r.promotable()) {
    r.logger.warn(`${hex(r.id)} is unpromotable and can not campaign`);
    return;
  }
  // It would count votes by a configuration that a quorum has already left behind.
  if (hasUnappliedConfChanges(r)) {
    r.logger.warn(
      `${hex(r.id)} cannot campaign at term ${r.term} since there are still pending configuration changes to apply`,
    );
    return;
  }
  r.logger.info(`${hex(r.id)} is starting a new election at term ${r.term}`);
  campaign(r, type);
}

export function campaign(r: Raft, type: CampaignType): void {
  if (type === 'pre-election') becomePreCandidate(r);
  else becomeCandidate(r);
  // A pre-vote asks about the term that a candidate would be in.
  const term = type === 'pre-election' ? r.term + 1 : r.term;
  const request = type === 'pre-election' ? MsgType.MsgPreVote : MsgType.MsgVote;
  const last = r.log.lastEntryId();
  for (const to of jointIds(r.tracker.config.voters)) {
    if (to === r.id) {
      // Its own vote counts once it is durable, like everyone's.
      r.send({ type: voteResponseTo(request), to, term });
      continue;
    }
    r.logger.info(
      `${hex(r.id)} [logterm: ${last.term}, index: ${last.index}] sent ${MsgTypeName[request]} request to ${hex(to)} at term ${r.term}`,
    );
    const context = type === 'transfer' ? transferContext : noBytes;
    r.send({ type: request, to, term, index: last.index, logTerm: last.term, context });
  }
}

/** Counts one answer. */
export function poll(r: Raft, id: NodeId, type: MsgType, granted: boolean): Tally {
  r.logger.info(
    `${hex(r.id)} received ${MsgTypeName[type]}${granted ? '' : ' rejection'} from ${hex(id)} at term ${r.term}`,
  );
  r.tracker.recordVote(id, granted);
  return r.tracker.tallyVotes();
}

/**
 * Grants or rejects a vote of a term that is not below this node's.
 *
 * Learners vote too: one that was made a voter may not have heard of it yet, and its vote may be
 * needed to elect the only candidate with all committed entries. Whoever asks believes it a voter;
 * if that is wrong, the candidate cannot win anyway.
 */
export function handleVoteRequest(r: Raft, m: Message): void {
  const canVote =
    r.vote === m.from || (r.vote === None && r.lead === None) || (m.type === MsgType.MsgPreVote && m.term > r.term);
  const ours = r.log.lastEntryId();
  const grants = canVote && r.log.isUpToDate({ index: m.index, term: m.logTerm });
  const us = `${hex(r.id)} [logterm: ${ours.term}, index: ${ours.index}, vote: ${hex(r.vote)}]`;
  const them = `${hex(m.from)} [logterm: ${m.logTerm}, index: ${m.index}] at term ${r.term}`;
  const type = voteResponseTo(m.type);
  if (!grants) {
    r.logger.info(`${us} rejected ${MsgTypeName[m.type]} from ${them}`);
    r.send({ type, to: m.from, term: r.term, reject: true });
    return;
  }
  r.logger.info(`${us} cast ${MsgTypeName[m.type]} for ${them}`);
  // With the term that was asked about: a pre-candidate that is behind would drop an older one.
  r.send({ type, to: m.from, term: m.term });
  if (m.type === MsgType.MsgVote) {
    r.electionElapsed = 0;
    r.vote = m.from;
  }
}

function voteResponseTo(type: MsgType): MsgType {
  switch (type) {
    case MsgType.MsgVote:
      return MsgType.MsgVoteResp;
    case MsgType.MsgPreVote:
      return MsgType.MsgPreVoteResp;
    default:
      throw new InvariantError(`not a vote message: ${MsgTypeName[type]}`);
  }
}

function hasUnappliedConfChanges(r: Raft): boolean {
  const end = r.log.committed + 1;
  // Page by page: there may be much to apply.
  for (let from = r.log.applied + 1; from < end; ) {
    const page = r.log.slice(from, end, r.log.maxApplyingSize);
    if (!page || page.length === 0) throw new InvariantError(`unapplied entries from ${from} are not in the log`);
    if (page.some(({ type }) => type !== EntryType.EntryNormal)) return true;
    from += page.length;
  }
  return false;
}
