import { asV2, confChangeOf, confChangeString } from './confchange/change.js';
import { isJoint } from './confchange/changer.js';
import { payloadsSize } from './entries.js';
import { InvariantError, RaftError } from './errors.js';
import { hex } from './logger.js';
import type { Raft } from './raft.js';
import { broadcastAppend } from './replication.js';
import { configString } from './tracker/tracker.js';
import { type Entry, EntryType, MsgType, None, noBytes } from './types.js';

/** A leader's handling of proposals. @throws RaftError (proposal-dropped) */
export function propose(r: Raft, entries: readonly Entry[]): void {
  if (entries.length === 0) throw new InvariantError(`${r.id} stepped empty MsgProp`);
  // Removed from the configuration while leading: it must not put anything more into the log.
  if (!r.tracker.progress.has(r.id)) throw new RaftError('proposal-dropped');
  if (r.leadTransferee !== None) {
    r.logger.debug(
      `${hex(r.id)} [term ${r.term}] transfer leadership to ${hex(r.leadTransferee)} is in progress; dropping proposal`,
    );
    throw new RaftError('proposal-dropped');
  }
  const before = r.pendingConfIndex;
  const admitted = entries.map((entry, i) => admit(r, entry, r.log.lastIndex() + i + 1));
  if (!appendEntries(r, admitted)) {
    // A change that is not in the log must not stand in the way of the next.
    r.pendingConfIndex = before;
    throw new RaftError('proposal-dropped');
  }
  broadcastAppend(r);
}

/**
 * A change of configuration that does not fit becomes an empty entry: the proposer sees it commit
 * and finds the configuration as it was.
 */
function admit(r: Raft, entry: Entry, index: number): Entry {
  const change = confChangeOf(entry);
  if (!change) return entry;
  const { config } = r.tracker;
  const joint = isJoint(config);
  const leaves = asV2(change).changes.length === 0;
  let refusal: string | undefined;
  if (r.pendingConfIndex > r.log.applied)
    refusal = `possible unapplied conf change at index ${r.pendingConfIndex} (applied to ${r.log.applied})`;
  else if (joint && !leaves) refusal = 'must transition out of joint config first';
  else if (!joint && leaves) refusal = 'not in joint state; refusing empty conf change';
  if (refusal !== undefined && !r.config.disableConfChangeValidation) {
    r.logger.info(
      `${hex(r.id)} ignoring conf change ${confChangeString(change)} at config ${configString(config)}: ${refusal}`,
    );
    return { term: 0, index: 0, type: EntryType.EntryNormal, data: noBytes };
  }
  r.pendingConfIndex = index;
  return entry;
}

/** Puts entries at the end of the leader's log; false when too much is uncommitted already. */
export function appendEntries(r: Raft, entries: readonly Entry[]): boolean {
  const size = payloadsSize(entries);
  // With nothing uncommitted any size is let in, and entries without payload always are: a new
  // leader's first entry, and the one that leaves a joint configuration.
  if (r.uncommittedSize > 0 && size > 0 && r.uncommittedSize + size > r.config.maxUncommittedEntriesSize) {
    r.logger.warn(
      `${hex(r.id)} appending new entries to log would exceed uncommitted entry size limit; dropping proposal`,
    );
    return false;
  }
  r.uncommittedSize += size;
  const last = r.log.lastIndex();
  const placed = entries.map(({ type, data }, i) => ({ term: r.term, index: last + 1 + i, type, data }));
  // The leader acknowledges its own entries like any follower: once they are durable.
  r.send({ type: MsgType.MsgAppResp, to: r.id, index: r.log.append(placed) });
  return true;
}

/** Entries of this payload were applied, so they are no longer uncommitted. */
export function reduceUncommittedSize(r: Raft, size: number): void {
  r.uncommittedSize = Math.max(0, r.uncommittedSize - size);
}
