import { hup } from './election.js';
import { RaftError } from './errors.js';
import { hex } from './logger.js';
import type { Raft } from './raft.js';
import { handleSnapshot } from './restore.js';
import { type Message, MsgType, None } from './types.js';

/** What a follower does with a message of its own term, or of none. @throws RaftError (proposal-dropped) */
export function stepFollower(r: Raft, m: Message): void {
  switch (m.type) {
    case MsgType.MsgProp:
      forwardProposal(r, m);
      break;
    case MsgType.MsgApp:
      hearFromLeader(r, m);
      handleAppendEntries(r, m);
      break;
    case MsgType.MsgHeartbeat:
      hearFromLeader(r, m);
      handleHeartbeat(r, m);
      break;
    case MsgType.MsgSnap:
      hearFromLeader(r, m);
      handleSnapshot(r, m);
      break;
    case MsgType.MsgTransferLeader:
      forward(r, m, 'leader transfer');
      break;
    case MsgType.MsgReadIndex:
      forward(r, m, 'index reading');
      break;
    case MsgType.MsgForgetLeader:
      forgetLeader(r);
      break;
    case MsgType.MsgTimeoutNow:
      r.logger.info(
        `${hex(r.id)} [term ${r.term}] received MsgTimeoutNow from ${hex(m.from)} and starts an election to get leadership.`,
      );
      hup(r, 'transfer');
      break;
    case MsgType.MsgReadIndexResp:
      receiveReadIndex(r, m);
      break;
  }
}

function hearFromLeader(r: Raft, m: Message): void {
  r.electionElapsed = 0;
  r.lead = m.from;
}

function forwardProposal(r: Raft, m: Message): void {
  if (r.lead === None) {
    r.logger.info(`${hex(r.id)} no leader at term ${r.term}; dropping proposal`);
    throw new RaftError('proposal-dropped');
  }
  if (r.config.disableProposalForwarding) {
    r.logger.info(`${hex(r.id)} not forwarding to leader ${hex(r.lead)} at term ${r.term}; dropping proposal`);
    throw new RaftError('proposal-dropped');
  }
  r.send({ ...m, to: r.lead, term: 0 });
}

function forward(r: Raft, m: Message, what: string): void {
  if (r.lead === None) r.logger.info(`${hex(r.id)} no leader at term ${r.term}; dropping ${what} msg`);
  else r.send({ ...m, to: r.lead, term: 0 });
}

/**
 * Forgets who leads, so that this node grants pre-votes at once. Not with lease-based reads: the
 * leader counts on its followers to hold back for an election timeout.
 */
function forgetLeader(r: Raft): void {
  if (r.config.readOnly === 'lease-based') {
    r.logger.error('ignoring MsgForgetLeader due to ReadOnlyLeaseBased');
    return;
  }
  if (r.lead === None) return;
  r.logger.info(`${hex(r.id)} forgetting leader ${hex(r.lead)} at term ${r.term}`);
  r.lead = None;
}

function receiveReadIndex(r: Raft, m: Message): void {
  const [entry] = m.entries;
  if (m.entries.length !== 1 || !entry) {
    r.logger.error(
      `${hex(r.id)} invalid format of MsgReadIndexResp from ${hex(m.from)}, entries count: ${m.entries.length}`,
    );
    return;
  }
  r.readStates.push({ index: m.index, requestCtx: entry.data });
}

/** Appends what the leader sent if the entry before it matches; else hints at where the logs may agree. */
export function handleAppendEntries(r: Raft, m: Message): void {
  const prev = { index: m.index, term: m.logTerm };
  if (prev.index < r.log.committed) {
    // Late or doubled: tell how far this log certainly agrees.
    r.send({ type: MsgType.MsgAppResp, to: m.from, index: r.log.committed });
    return;
  }
  const last = r.log.maybeAppend({ prev, entries: m.entries }, m.commit);
  if (last !== undefined) {
    r.send({ type: MsgType.MsgAppResp, to: m.from, index: last });
    return;
  }
  r.logger.debug(
    `${hex(r.id)} [logterm: ${r.log.term(m.index) ?? 0}, index: ${m.index}] rejected MsgApp [logterm: ${m.logTerm}, index: ${m.index}] from ${hex(m.from)}`,
  );
  // All of the leader's terms before m.index are at most m.logTerm: what is higher here cannot agree.
  const hint = r.log.findConflictByTerm({ index: Math.min(m.index, r.log.lastIndex()), term: m.logTerm });
  r.send({
    type: MsgType.MsgAppResp,
    to: m.from,
    index: m.index,
    reject: true,
    rejectHint: hint.index,
    logTerm: hint.term,
  });
}

export function handleHeartbeat(r: Raft, m: Message): void {
  r.log.commitTo(m.commit);
  r.send({ type: MsgType.MsgHeartbeatResp, to: m.from, context: m.context });
}
