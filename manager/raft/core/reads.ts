import { jointVote } from './quorum/joint.js';
import type { Raft } from './raft.js';
import { contextOf } from './read-only.js';
import { broadcastHeartbeat } from './replication.js';
import { type Index, type Message, MsgType, type NodeId, None } from './types.js';

/**
 * A leader's handling of MsgReadIndex (thesis 6.4): remember the commit index, confirm that no newer
 * leader exists, answer with the index. Whoever reads then waits until it has applied that far.
 */
export function handleReadIndex(r: Raft, request: Message): void {
  // A new leader has all committed entries, but does not know which they are until it commits one.
  // That goes for a group of one, too: after a restart its commit index may be an old one.
  if (!committedInCurrentTerm(r)) r.earlyReads.push(request);
  else startRead(r, request);
}

/** To be called when the commit index has moved. */
export function releaseEarlyReads(r: Raft): void {
  if (r.earlyReads.length === 0 || !committedInCurrentTerm(r)) return;
  const requests = r.earlyReads;
  r.earlyReads = [];
  for (const request of requests) startRead(r, request);
}

/** A follower answered a heartbeat that carried the context of a read. */
export function handleReadAck(r: Raft, m: Message): void {
  if (r.config.readOnly === 'safe' && m.context.length > 0) confirm(r, m.from, m.context);
}

function startRead(r: Raft, request: Message): void {
  if (r.config.readOnly === 'lease-based') {
    answer(r, request, r.log.committed);
    return;
  }
  const context = contextOf(request);
  r.reads.add(r.log.committed, request);
  // The only voter need not ask anyone. A leader that is no voter any more must, even if there is
  // only one: its own word counts nothing.
  if (!confirm(r, r.id, context)) broadcastHeartbeat(r, context);
}

/** Counts `from` as a follower of this leader; true when that makes a quorum, and reads were answered. */
function confirm(r: Raft, from: NodeId, context: Uint8Array): boolean {
  const acks = r.reads.receiveAck(from, context);
  if (jointVote(r.tracker.config.voters, acks) !== 'VoteWon') return false;
  for (const { request, index } of r.reads.advance(context)) answer(r, request, index);
  return true;
}

function answer(r: Raft, request: Message, index: Index): void {
  if (request.from === None || request.from === r.id) {
    r.readStates.push({ index, requestCtx: contextOf(request) });
  } else {
    r.send({ type: MsgType.MsgReadIndexResp, to: request.from, index, entries: request.entries });
  }
}

function committedInCurrentTerm(r: Raft): boolean {
  return r.log.term(r.log.committed) === r.term;
}
