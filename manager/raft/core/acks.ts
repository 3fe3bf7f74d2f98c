import { hex } from './logger.js';
import type { Raft } from './raft.js';
import { releaseEarlyReads } from './reads.js';
import { broadcastAppend, maybeCommit, maybeSendAppend, sendAppend } from './replication.js';
import type { Progress } from './tracker/progress.js';
import { transferIfCaughtUp } from './transfer.js';
import type { Message } from './types.js';

/** A leader's handling of MsgAppResp, its own included. */
export function handleAppendResponse(r: Raft, m: Message, progress: Progress): void {
  progress.recentActive = true;
  if (m.reject) handleRejection(r, m, progress);
  else handleAck(r, m, progress);
}

/**
 * The follower's log does not match at m.index. Its hint is (rejectHint, logTerm): an entry of its
 * log, at or before m.index and of a term no higher than the one the leader asked about. Terms never
 * fall within a log, so wherever the leader's term is above logTerm the two cannot agree either, and
 * the next probe skips all of that: at most one probe for each term, not one for each entry.
 */
function handleRejection(r: Raft, m: Message, progress: Progress): void {
  r.logger.debug(
    `${hex(r.id)} received MsgAppResp(rejected, hint: (index ${m.rejectHint}, term ${m.logTerm})) from ${hex(m.from)} for index ${m.index}`,
  );
  const hint = m.logTerm > 0 ? r.log.findConflictByTerm({ index: m.rejectHint, term: m.logTerm }).index : m.rejectHint;
  if (!progress.maybeDecrTo(m.index, hint)) return;
  r.logger.debug(`${hex(r.id)} decreased progress of ${hex(m.from)} to [${progress}]`);
  if (progress.state === 'StateReplicate') progress.becomeProbe();
  sendAppend(r, m.from);
}

function handleAck(r: Raft, m: Message, progress: Progress): void {
  // A probe that confirms what was known is news too: it ends the probing.
  const endsProbe = () => progress.match === m.index && progress.state === 'StateProbe';
  if (!progress.maybeUpdate(m.index) && !endsProbe()) return;
  resumeReplication(r, m, progress);
  if (maybeCommit(r)) {
    releaseEarlyReads(r);
    broadcastAppend(r);
  } else if (m.from !== r.id && progress.canBumpCommit(r.log.committed)) {
    // The next heartbeat would tell it, but later.
    sendAppend(r, m.from);
  }
  // The acknowledgement may have freed room for several messages.
  if (m.from !== r.id) while (maybeSendAppend(r, m.from, false));
  transferIfCaughtUp(r, m.from, progress);
}

function resumeReplication(r: Raft, m: Message, progress: Progress): void {
  switch (progress.state) {
    case 'StateProbe':
      progress.becomeReplicate();
      break;
    case 'StateSnapshot':
      // Whichever snapshot it took, from the leader or from elsewhere: what matters is that the log
      // reaches back to where it is now.
      if (progress.match + 1 < r.log.firstIndex()) break;
      r.logger.debug(
        `${hex(r.id)} recovered from needing snapshot, resumed sending replication messages to ${hex(m.from)} [${progress}]`,
      );
      progress.becomeProbe();
      progress.becomeReplicate();
      break;
    case 'StateReplicate':
      progress.inflights.freeTo(m.index);
      break;
  }
}
