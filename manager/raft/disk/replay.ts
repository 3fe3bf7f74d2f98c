import path from 'node:path';
import type { WalFrame } from '../../../proto/gen/wal.js';
import { type Entry, HardState, type Index, type SnapshotMetadata } from '../core/types.js';
import { damaged, fileName } from './files.js';
import type { SegmentContents } from './segment-reader.js';

/** What a log says when all of it has been read. */
export interface RecoveredState {
  /** Zeros on the first start. Never behind `snapshot`, whatever a crash left unwritten. */
  readonly hardState: HardState;
  /** The newest one that is in force. */
  readonly snapshot: SnapshotMetadata | undefined;
  /** Those after the snapshot's index, without a gap. */
  readonly entries: readonly Entry[];
}

/**
 * The state after all frames of the segments, oldest first.
 *
 * The segments before the first one are gone, for a later frame says that a snapshot covers or
 * replaces their entries. Until then the log is known from the first segment's first index only.
 * @throws INTERNAL for a gap, with file and offset
 */
export function replay(folder: string, segments: readonly SegmentContents[]): RecoveredState {
  const log = new Log(segments[0]?.id.numbers[1] ?? 1);
  let file = folder;
  for (const [position, { id, frames }] of segments.entries()) {
    file = path.join(folder, fileName(id));
    const [sequence, firstIndex] = id.numbers;
    const before = segments[position - 1]?.id.numbers[0];
    if (before !== undefined && sequence !== before + 1)
      throw damaged(file, 0, `segment ${before + 1}, before it, is missing`);
    if (firstIndex !== log.last + 1)
      throw damaged(file, 0, `entry ${log.last + 1} is expected to be its first, but it is ${firstIndex}`);
    for (const { frame, offset } of frames) {
      const problem = log.apply(frame);
      if (problem) throw damaged(file, offset, problem);
    }
  }
  const end = segments.at(-1)?.end ?? 0;
  const covered = log.snapshot?.index ?? 0;
  if (log.start > covered + 1)
    throw damaged(file, end, `entries ${covered + 1} to ${log.start - 1}, before the first segment, are missing`);
  if (log.hardState.commit > log.last)
    throw damaged(file, end, `entries ${log.last + 1} to ${log.hardState.commit}, which were committed, are missing`);
  return {
    hardState: notBehind(log.hardState, log.snapshot),
    snapshot: log.snapshot,
    entries: log.entries.slice(Math.max(covered + 1 - log.start, 0)),
  };
}

/**
 * A snapshot is adopted before the hard state that came with it is written. Its index is committed,
 * and its term has begun; no vote was cast in a term that is not in the hard state.
 */
function notBehind(state: HardState, snapshot: SnapshotMetadata | undefined): HardState {
  if (!snapshot) return state;
  const commit = Math.max(state.commit, snapshot.index);
  return snapshot.term > state.term ? { term: snapshot.term, vote: 0, commit } : { ...state, commit };
}

class Log {
  hardState: HardState = HardState.create();
  snapshot: SnapshotMetadata | undefined;
  /** The index of entries[0], or of the next entry when there is none. */
  start: Index;
  entries: Entry[] = [];

  constructor(start: Index) {
    this.start = start;
  }

  get last(): Index {
    return this.start + this.entries.length - 1;
  }

  /** Says what is wrong with the frame. */
  apply({ entries, hardState, snapshot, replace }: WalFrame): string | undefined {
    if (snapshot) {
      if (replace) {
        this.start = snapshot.index + 1;
        this.entries = [];
      } else if (snapshot.index > this.last) {
        return `a snapshot covers entries up to ${snapshot.index}, but the last one is ${this.last}`;
      }
      this.snapshot = snapshot;
    }
    for (const entry of entries) {
      if (entry.index > this.last + 1) return `entry ${this.last + 1} is expected there, but it is ${entry.index}`;
      if (entry.index <= (this.snapshot?.index ?? 0)) return `entry ${entry.index} is covered by the snapshot already`;
      // Entries before the first segment can be overwritten in it.
      this.start = Math.min(this.start, entry.index);
      this.entries.length = entry.index - this.start;
      this.entries.push(entry);
    }
    if (hardState) this.hardState = hardState;
    return undefined;
  }
}
