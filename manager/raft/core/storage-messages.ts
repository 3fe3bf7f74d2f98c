import type { Raft } from './raft.js';
import type { Ready } from './ready.js';
import { type Entry, LocalAppendThread, LocalApplyThread, type Message, MsgType, message } from './types.js';

/** What Ready asks to be written. */
export type Writes = Pick<Ready, 'entries' | 'hardState' | 'snapshot'>;

/**
 * The message that asks for `writes`, or undefined when there is nothing to write and nothing waits
 * for earlier writes. Its responses are delivered when it and all before it are durable; with none,
 * nobody waits and it need not be synced.
 */
export function storageAppend(r: Raft, { entries, hardState, snapshot }: Writes): Message | undefined {
  if (entries.length === 0 && !hardState && !snapshot && r.messagesAfterAppend.length === 0) return undefined;
  const written = storageAppendResponse(r, snapshot);
  return message({
    type: MsgType.MsgStorageAppend,
    to: LocalAppendThread,
    from: r.id,
    entries,
    // Left zero when the hard state is as it was.
    ...hardState,
    snapshot,
    // The node's own acknowledgement goes first: its terms are then still found among the unstable.
    responses: written ? [...r.messagesAfterAppend, written] : r.messagesAfterAppend,
  });
}

/**
 * Tells the node that its log is durable up to the end it has now; undefined when all of it was.
 *
 * It carries this node's term, and is void if that has changed when it comes back. Otherwise: entries
 * of an old leader are being written, then overwritten by a newer one's, then by the old ones again,
 * when the first write is reported. The entries match by index and term, but storage is about to
 * hold those of the second write for a while: reading them from there would be wrong.
 *
 * A void response could leave entries in memory for good, if nothing is written after it. Hence every
 * write names the end of the log while there is anything unstable, not only those with entries: each
 * change of term is itself written, so one response comes back in its own term in the end.
 */
export function storageAppendResponse(r: Raft, snapshot: Writes['snapshot']): Message | undefined {
  const unstable = r.log.hasNextOrInProgressUnstableEntries();
  if (!unstable && !snapshot) return undefined;
  const last = unstable ? r.log.lastEntryId() : undefined;
  return message({
    type: MsgType.MsgStorageAppendResp,
    to: r.id,
    from: LocalAppendThread,
    term: r.term,
    index: last?.index ?? 0,
    logTerm: last?.term ?? 0,
    snapshot,
  });
}

/** The message that asks for committed entries to be applied. */
export function storageApply(r: Raft, entries: readonly Entry[]): Message {
  return message({
    type: MsgType.MsgStorageApply,
    to: LocalApplyThread,
    from: r.id,
    entries,
    responses: [storageApplyResponse(r, entries)],
  });
}

export function storageApplyResponse(r: Raft, entries: readonly Entry[]): Message {
  return message({ type: MsgType.MsgStorageApplyResp, to: r.id, from: LocalApplyThread, entries });
}
