import { handleAppendResponse } from './acks.js';
import { hex } from './logger.js';
import { propose } from './proposals.js';
import type { Raft } from './raft.js';
import { handleReadAck, handleReadIndex } from './reads.js';
import { broadcastHeartbeat, sendAppend } from './replication.js';
import { becomeFollower } from './roles.js';
import type { Progress } from './tracker/progress.js';
import { handleTransferLeader } from './transfer.js';
import { type Message, MsgType, None } from './types.js';

/** What a leader does with a message of its own term, or of none. @throws RaftError (proposal-dropped) */
export function stepLeader(r: Raft, m: Message): void {
  switch (m.type) {
    case MsgType.MsgBeat:
      broadcastHeartbeat(r, r.reads.lastPendingContext());
      break;
    case MsgType.MsgCheckQuorum:
      checkQuorum(r);
      break;
    case MsgType.MsgProp:
      propose(r, m.entries);
      break;
    case MsgType.MsgReadIndex:
      handleReadIndex(r, m);
      break;
    case MsgType.MsgForgetLeader:
      break;
    default:
      stepAboutFollower(r, m);
  }
}

/** Messages that are about the follower `m.from`, from it or from this node's own transport. */
function stepAboutFollower(r: Raft, m: Message): void {
  const progress = r.tracker.progress.get(m.from);
  if (!progress) {
    r.logger.debug(`${hex(r.id)} no progress available for ${hex(m.from)}`);
    return;
  }
  switch (m.type) {
    case MsgType.MsgAppResp:
      handleAppendResponse(r, m, progress);
      break;
    case MsgType.MsgHeartbeatResp:
      handleHeartbeatResponse(r, m, progress);
      break;
    case MsgType.MsgSnapStatus:
      handleSnapshotStatus(r, m, progress);
      break;
    case MsgType.MsgUnreachable:
      // What is in flight is probably lost: find out by probing.
      if (progress.state === 'StateReplicate') progress.becomeProbe();
      r.logger.debug(`${hex(r.id)} failed to send message to ${hex(m.from)} because it is unreachable [${progress}]`);
      break;
    case MsgType.MsgTransferLeader:
      handleTransferLeader(r, m, progress);
      break;
  }
}

/** A leader that hears from no quorum may have been replaced: it must not go on to answer. */
function checkQuorum(r: Raft): void {
  if (!r.tracker.quorumActive()) {
    r.logger.warn(`${hex(r.id)} stepped down to follower since quorum is not active`);
    becomeFollower(r, r.term, None);
  }
  for (const [id, progress] of r.tracker.progress) if (id !== r.id) progress.recentActive = false;
}

function handleHeartbeatResponse(r: Raft, m: Message, progress: Progress): void {
  progress.recentActive = true;
  progress.msgAppFlowPaused = false;
  // It is alive but behind, or being probed: messages may have been lost, so send one again.
  if (progress.match < r.log.lastIndex() || progress.state === 'StateProbe') sendAppend(r, m.from);
  handleReadAck(r, m);
}

/** The transport reports whether a snapshot arrived. */
function handleSnapshotStatus(r: Raft, m: Message, progress: Progress): void {
  if (progress.state !== 'StateSnapshot') return;
  // A snapshot that failed must not be taken for the place to probe from.
  if (m.reject) progress.pendingSnapshot = 0;
  progress.becomeProbe();
  r.logger.debug(
    `${hex(r.id)} snapshot ${m.reject ? 'failed' : 'succeeded'}, resumed sending replication messages to ${hex(m.from)} [${progress}]`,
  );
  // Wait: for its acknowledgement if it arrived, for a heartbeat before the next try if not.
  progress.msgAppFlowPaused = true;
}
