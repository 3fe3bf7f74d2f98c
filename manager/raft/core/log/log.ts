import { limitSize } from '../entries.js';
import { InvariantError } from '../errors.js';
import type { RaftLogger } from '../logger.js';
import { type Entry, type EntryId, type Index, type Snapshot, safeInteger, type Term } from '../types.js';
import type { Storage } from './storage.js';
import { Unstable } from './unstable.js';

/** Consecutive entries and the entry before them, which must match for them to be appended. */
export interface LogSlice {
  readonly prev: EntryId;
  readonly entries: readonly Entry[];
}

/**
 * The log as the state machine sees it: storage's entries, overlaid by those that are not durable
 * yet. Invariant: applied <= applying <= committed <= lastIndex.
 */
export class RaftLog {
  readonly #storage: Storage;
  readonly #logger: RaftLogger;
  readonly #unstable: Unstable;
  #committed: Index;
  #applying: Index;
  #applied: Index;
  readonly #maxApplyingSize: number;
  #applyingSize = 0;
  #applyingPaused = false;

  constructor(storage: Storage, logger: RaftLogger, maxApplyingSize: number = Number.POSITIVE_INFINITY) {
    this.#storage = storage;
    this.#logger = logger;
    this.#maxApplyingSize = maxApplyingSize;
    this.#unstable = new Unstable(storage.lastIndex() + 1, logger);
    const compacted = storage.firstIndex() - 1;
    this.#committed = compacted;
    this.#applying = compacted;
    this.#applied = compacted;
  }

  /** The highest index known to be on a quorum. */
  get committed(): Index {
    return this.#committed;
  }

  /** The highest index handed out to be applied. */
  get applying(): Index {
    return this.#applying;
  }

  /** The highest index reported as applied. */
  get applied(): Index {
    return this.#applied;
  }

  /** The bound of what is applied at a time, and of what is read at a time to look through the log. */
  get maxApplyingSize(): number {
    return this.#maxApplyingSize;
  }

  firstIndex(): Index {
    return this.#unstable.firstIndex() ?? this.#storage.firstIndex();
  }

  lastIndex(): Index {
    return this.#unstable.lastIndex() ?? this.#storage.lastIndex();
  }

  lastEntryId(): EntryId {
    const index = this.lastIndex();
    const term = this.term(index);
    if (term === undefined) throw new InvariantError(`the term of the last entry ${index} is not known`);
    return { index, term };
  }

  /** Undefined outside of [firstIndex - 1, lastIndex]: the last compacted entry's term is still known. */
  term(index: Index): Term | undefined {
    const term = this.#unstable.term(index);
    if (term !== undefined) return term;
    if (index + 1 < this.firstIndex() || index > this.lastIndex()) return undefined;
    return this.#storage.term(index);
  }

  matches({ index, term }: EntryId): boolean {
    return this.term(index) === term;
  }

  /** Whether a log that ends with this entry is at least as complete as ours (Raft paper, 5.4.1). */
  isUpToDate(theirs: EntryId): boolean {
    const ours = this.lastEntryId();
    return theirs.term > ours.term || (theirs.term === ours.term && theirs.index >= ours.index);
  }

  /** All entries from `from` to the end within `maxSize`, or undefined when it was compacted. */
  entries(from: Index, maxSize: number): readonly Entry[] | undefined {
    const end = this.lastIndex() + 1;
    return from >= end ? [] : this.slice(from, end, maxSize);
  }

  /** Entries in [lo, hi) within `maxSize` but at least one, or undefined when `lo` was compacted. */
  slice(lo: Index, hi: Index, maxSize: number): readonly Entry[] | undefined {
    if (lo < this.firstIndex()) return undefined;
    if (lo > hi || hi > this.lastIndex() + 1)
      throw new InvariantError(`slice[${lo},${hi}) out of bound [${this.firstIndex()},${this.lastIndex()}]`);
    if (lo === hi) return [];
    const { offset } = this.#unstable;
    if (lo >= offset) return this.#unstable.slice(lo, hi, maxSize);
    const stableEnd = Math.min(hi, offset);
    const stored = this.#storage.entries(lo, stableEnd, maxSize);
    // Short of what was asked for: the size limit was reached.
    if (stored.length < stableEnd - lo || hi <= offset) return stored;
    return limitSize([...stored, ...this.#unstable.slice(offset, hi, maxSize)], maxSize);
  }

  /** Appends at the end of the log or over its uncommitted tail; returns the new last index. */
  append(entries: readonly Entry[]): Index {
    const first = entries[0];
    if (!first) return this.lastIndex();
    if (first.index - 1 < this.#committed)
      throw new InvariantError(`after(${first.index - 1}) is out of range [committed(${this.#committed})]`);
    safeInteger(first.index + entries.length, 'log index');
    this.#unstable.truncateAndAppend(entries);
    return this.lastIndex();
  }

  /**
   * A follower's append: the new last index of the slice, or undefined when the entry before it does
   * not match. Entries that are here already are left alone, so that a late message cuts nothing off.
   */
  maybeAppend({ prev, entries }: LogSlice, leaderCommit: Index): Index | undefined {
    if (!this.matches(prev)) return undefined;
    const last = prev.index + entries.length;
    const conflict = this.#findConflict(entries);
    if (conflict !== undefined) {
      if (conflict <= this.#committed)
        throw new InvariantError(`entry ${conflict} conflict with committed entry [committed(${this.#committed})]`);
      this.append(entries.slice(conflict - prev.index - 1));
    }
    this.commitTo(Math.min(leaderCommit, last));
    return last;
  }

  /** The first index that is new here or has another term here; undefined when there is none. */
  #findConflict(entries: readonly Entry[]): Index | undefined {
    for (const entry of entries) {
      if (this.matches(entry)) continue;
      if (entry.index <= this.lastIndex())
        this.#logger.info(
          `found conflict at index ${entry.index} [existing term: ${this.term(entry.index) ?? 0}, conflicting term: ${entry.term}]`,
        );
      return entry.index;
    }
    return undefined;
  }

  /**
   * The best guess where this log may agree with one of which only one entry is known: terms never
   * fall within a log, so at every index where ours is higher they differ. Returns the highest index
   * up to `index` with a term of at most `term`, or one whose term is not known (reported as 0).
   */
  findConflictByTerm({ index, term }: EntryId): EntryId {
    for (let at = index; at > 0; at--) {
      const ours = this.term(at);
      if (ours === undefined) return { index: at, term: 0 };
      if (ours <= term) return { index: at, term: ours };
    }
    return { index: 0, term: 0 };
  }

  commitTo(index: Index): void {
    if (index <= this.#committed) return;
    if (index > this.lastIndex())
      throw new InvariantError(
        `tocommit(${index}) is out of range [lastIndex(${this.lastIndex()})]. Was the raft log corrupted, truncated, or lost?`,
      );
    this.#committed = index;
  }

  /** Only an entry of the leader's own term is committed by counting (Raft paper, 5.4.2). */
  maybeCommit({ index, term }: EntryId): boolean {
    if (index <= this.#committed || term === 0 || this.term(index) !== term) return false;
    this.commitTo(index);
    return true;
  }

  /**
   * Recovers the commit index that was saved. It may lag behind a snapshot that was written just
   * before a crash, which only holds what is committed. @throws InvariantError when entries are missing
   */
  restoreCommitted(index: Index): void {
    if (index > this.lastIndex())
      throw new InvariantError(`state.commit ${index} is out of range [${this.#committed}, ${this.lastIndex()}]`);
    this.#committed = Math.max(this.#committed, index);
  }

  nextUnstableEntries(): readonly Entry[] {
    return this.#unstable.nextEntries();
  }

  hasNextUnstableEntries(): boolean {
    return this.#unstable.hasNextEntries();
  }

  hasNextOrInProgressUnstableEntries(): boolean {
    return this.#unstable.length > 0;
  }

  nextUnstableSnapshot(): Snapshot | undefined {
    return this.#unstable.nextSnapshot();
  }

  hasNextOrInProgressSnapshot(): boolean {
    return this.#unstable.snapshot !== undefined;
  }

  /** The snapshot to send to a follower. @throws RaftError (snapshot-temporarily-unavailable) */
  snapshot(): Snapshot {
    return this.#unstable.snapshot ?? this.#storage.snapshot();
  }

  /**
   * Committed entries to apply next. An entry can be committed by others before it is durable here;
   * `allowUnstable` hands it out even so.
   */
  nextCommittedEntries(allowUnstable: boolean): readonly Entry[] {
    if (!this.hasNextCommittedEntries(allowUnstable)) return [];
    const entries = this.slice(
      this.#applying + 1,
      this.#maxAppliable(allowUnstable) + 1,
      this.#maxApplyingSize - this.#applyingSize,
    );
    if (!entries)
      throw new InvariantError(`entries from ${this.#applying + 1} were compacted before they were applied`);
    return entries;
  }

  hasNextCommittedEntries(allowUnstable: boolean): boolean {
    // A snapshot comes first: entries before it would be lost, those after it are not here yet.
    if (this.#applyingPaused || this.hasNextOrInProgressSnapshot()) return false;
    return this.#applying < this.#maxAppliable(allowUnstable);
  }

  #maxAppliable(allowUnstable: boolean): Index {
    return allowUnstable ? this.#committed : Math.min(this.#committed, this.#unstable.offset - 1);
  }

  /** Entries up to `index` of `size` bytes were handed out to be applied. */
  acceptApplying(index: Index, size: number, allowUnstable: boolean): void {
    if (index > this.#committed)
      throw new InvariantError(
        `applying(${index}) is out of range [prevApplying(${this.#applying}), committed(${this.#committed})]`,
      );
    this.#applying = index;
    this.#applyingSize += size;
    // Also when the limit is not quite reached: had there been room, more would have been handed out.
    this.#applyingPaused = this.#applyingSize >= this.#maxApplyingSize || index < this.#maxAppliable(allowUnstable);
  }

  appliedTo(index: Index, size: number): void {
    if (index > this.#committed || index < this.#applied)
      throw new InvariantError(
        `applied(${index}) is out of range [prevApplied(${this.#applied}), committed(${this.#committed})]`,
      );
    this.#applied = index;
    this.#applying = Math.max(this.#applying, index);
    this.#applyingSize = Math.max(0, this.#applyingSize - size);
    this.#applyingPaused = this.#applyingSize >= this.#maxApplyingSize;
  }

  acceptUnstable(): void {
    this.#unstable.acceptInProgress();
  }

  stableTo(id: EntryId): void {
    this.#unstable.stableTo(id);
  }

  stableSnapTo(index: Index): void {
    this.#unstable.stableSnapTo(index);
  }

  /** Replaces the log by a snapshot. */
  restore(snapshot: Snapshot): void {
    const { index, term } = snapshot.metadata;
    this.#logger.info(`log [${this}] starts to restore snapshot [index: ${index}, term: ${term}]`);
    this.#committed = index;
    this.#unstable.restore(snapshot);
  }

  toString(): string {
    const { offset, offsetInProgress, length } = this.#unstable;
    return `committed=${this.#committed}, applied=${this.#applied}, applying=${this.#applying}, unstable.offset=${offset}, unstable.offsetInProgress=${offsetInProgress}, len(unstable.Entries)=${length}`;
  }
}
