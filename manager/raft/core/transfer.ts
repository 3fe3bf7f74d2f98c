import { hex } from './logger.js';
import type { Raft } from './raft.js';
import { sendAppend } from './replication.js';
import type { Progress } from './tracker/progress.js';
import { type Message, MsgType, type NodeId, None } from './types.js';

/**
 * A leader's handling of MsgTransferLeader (thesis 3.10): bring the target's log up to date, then
 * tell it to campaign at once. Meant to be done within an election timeout, then given up.
 */
export function handleTransferLeader(r: Raft, m: Message, progress: Progress): void {
  const target = m.from;
  if (progress.isLearner) {
    r.logger.debug(`${hex(r.id)} is learner. Ignored transferring leadership`);
    return;
  }
  if (r.leadTransferee === target) {
    r.logger.info(
      `${hex(r.id)} [term ${r.term}] transfer leadership to ${hex(target)} is in progress, ignores request to same node ${hex(target)}`,
    );
    return;
  }
  if (r.leadTransferee !== None) {
    const previous = r.leadTransferee;
    r.leadTransferee = None;
    r.logger.info(`${hex(r.id)} [term ${r.term}] abort previous transferring leadership to ${hex(previous)}`);
  }
  if (target === r.id) {
    r.logger.debug(`${hex(r.id)} is already leader. Ignored transferring leadership to self`);
    return;
  }
  r.logger.info(`${hex(r.id)} [term ${r.term}] starts to transfer leadership to ${hex(target)}`);
  r.electionElapsed = 0;
  r.leadTransferee = target;
  if (progress.match === r.log.lastIndex()) {
    sendTimeoutNow(r, target);
    r.logger.info(
      `${hex(r.id)} sends MsgTimeoutNow to ${hex(target)} immediately as ${hex(target)} already has up-to-date log`,
    );
  } else {
    sendAppend(r, target);
  }
}

/** To be called when a follower has acknowledged entries. */
export function transferIfCaughtUp(r: Raft, from: NodeId, progress: Progress): void {
  if (from !== r.leadTransferee || progress.match !== r.log.lastIndex()) return;
  r.logger.info(`${hex(r.id)} sent MsgTimeoutNow to ${hex(from)} after received MsgAppResp`);
  sendTimeoutNow(r, from);
}

function sendTimeoutNow(r: Raft, to: NodeId): void {
  r.send({ type: MsgType.MsgTimeoutNow, to });
}
