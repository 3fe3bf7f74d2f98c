import { payloadsSize } from './entries.js';
import { InvariantError, RaftError } from './errors.js';
import { hex } from './logger.js';
import type { Raft } from './raft.js';
import type { Progress } from './tracker/progress.js';
import { MsgType, type NodeId, type Snapshot } from './types.js';

/** Every follower gets what it lacks, or at least the commit index. */
export function broadcastAppend(r: Raft): void {
  for (const id of r.tracker.progress.keys()) if (id !== r.id) sendAppend(r, id);
}

/** Sends entries, or an empty MsgApp that tells the commit index, or a snapshot; nothing when paused. */
export function sendAppend(r: Raft, to: NodeId): void {
  maybeSendAppend(r, to, true);
}

/** Whether a message was sent. An empty one, which only tells the commit index, on request alone. */
export function maybeSendAppend(r: Raft, to: NodeId, sendIfEmpty: boolean): boolean {
  const progress = progressOf(r, to);
  if (progress.paused) return false;
  const prevIndex = progress.next - 1;
  const prevTerm = r.log.term(prevIndex);
  if (prevTerm === undefined) return maybeSendSnapshot(r, to, progress);

  // With a full window an empty message still goes out: should all that filled the window be lost,
  // the answer to it is what gets replication going again.
  const windowFull = progress.state === 'StateReplicate' && progress.inflights.full;
  const entries = windowFull ? [] : r.log.entries(progress.next, r.config.maxSizePerMsg);
  if (entries === undefined) return sendIfEmpty && maybeSendSnapshot(r, to, progress);
  if (entries.length === 0 && !sendIfEmpty) return false;

  const commit = r.log.committed;
  r.send({ type: MsgType.MsgApp, to, index: prevIndex, logTerm: prevTerm, entries, commit });
  progress.sentEntries(entries.length, payloadsSize(entries));
  progress.sentCommit(commit);
  return true;
}

function maybeSendSnapshot(r: Raft, to: NodeId, progress: Progress): boolean {
  if (!progress.recentActive) {
    r.logger.debug(`ignore sending snapshot to ${hex(to)} since it is not recently active`);
    return false;
  }
  const snapshot = takeSnapshot(r, to);
  if (!snapshot) return false;
  const { index, term } = snapshot.metadata;
  if (index === 0) throw new InvariantError(`node ${to} needs a snapshot, but storage has none`);
  r.logger.debug(
    `${hex(r.id)} [firstindex: ${r.log.firstIndex()}, commit: ${r.log.committed}] sent snapshot[index: ${index}, term: ${term}] to ${hex(to)} [${progress}]`,
  );
  progress.becomeSnapshot(index);
  r.logger.debug(`${hex(r.id)} paused sending replication messages to ${hex(to)} [${progress}]`);
  r.send({ type: MsgType.MsgSnap, to, snapshot });
  return true;
}

function takeSnapshot(r: Raft, to: NodeId): Snapshot | undefined {
  try {
    return r.log.snapshot();
  } catch (error) {
    if (!(error instanceof RaftError && error.code === 'snapshot-temporarily-unavailable')) throw error;
    r.logger.debug(`${hex(r.id)} failed to send snapshot to ${hex(to)} because snapshot is temporarily unavailable`);
    return undefined;
  }
}

/** `context` names a read that the answers confirm. */
export function broadcastHeartbeat(r: Raft, context: Uint8Array | undefined): void {
  for (const [to, progress] of r.tracker.progress) {
    if (to === r.id) continue;
    // Not past what the follower is known to have: beyond, its log may differ from the leader's.
    const commit = Math.min(progress.match, r.log.committed);
    r.send({ type: MsgType.MsgHeartbeat, to, commit, ...(context && { context }) });
    progress.sentCommit(commit);
  }
}

/** Commits what a quorum has; true when that is news, to be told by broadcastAppend. */
export function maybeCommit(r: Raft): boolean {
  return r.log.maybeCommit({ index: r.tracker.committed(), term: r.term });
}

function progressOf(r: Raft, id: NodeId): Progress {
  const progress = r.tracker.progress.get(id);
  if (!progress) throw new InvariantError(`no progress for ${id}`);
  return progress;
}
