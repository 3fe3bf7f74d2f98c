import { sliceWithin } from '../entries.js';
import { InvariantError } from '../errors.js';
import type { RaftLogger } from '../logger.js';
import type { Entry, EntryId, Index, Snapshot, Term } from '../types.js';

/**
 * The end of the log that storage is not yet known to hold: what is still to be handed out for
 * writing, and what was handed out ("in progress") but not yet reported as written.
 *
 * `offset` may lie below storage's last index: the next write then overwrites that part.
 * Invariant: offset <= offsetInProgress <= offset + entries.length.
 */
export class Unstable {
  readonly #logger: RaftLogger;
  /** #entries[i] has index #offset + i. */
  #entries: Entry[] = [];
  #offset: Index;
  /** The first index that was not handed out for writing. */
  #offsetInProgress: Index;
  #snapshot: Snapshot | undefined;
  #snapshotInProgress = false;

  constructor(offset: Index, logger: RaftLogger) {
    this.#offset = offset;
    this.#offsetInProgress = offset;
    this.#logger = logger;
  }

  get offset(): Index {
    return this.#offset;
  }

  get offsetInProgress(): Index {
    return this.#offsetInProgress;
  }

  get length(): number {
    return this.#entries.length;
  }

  /** The snapshot that is to replace the log, written or not. */
  get snapshot(): Snapshot | undefined {
    return this.#snapshot;
  }

  /** Undefined when storage's is the answer. */
  firstIndex(): Index | undefined {
    return this.#snapshot && this.#snapshot.metadata.index + 1;
  }

  /** Undefined when storage's is the answer. */
  lastIndex(): Index | undefined {
    if (this.#entries.length > 0) return this.#offset + this.#entries.length - 1;
    return this.#snapshot?.metadata.index;
  }

  /** Undefined when the index is not here. */
  term(index: Index): Term | undefined {
    if (index >= this.#offset) return this.#entries[index - this.#offset]?.term;
    return this.#snapshot?.metadata.index === index ? this.#snapshot.metadata.term : undefined;
  }

  /** What is to be written and was not handed out yet. */
  nextEntries(): readonly Entry[] {
    return this.hasNextEntries() ? this.#entries.slice(this.#offsetInProgress - this.#offset) : [];
  }

  hasNextEntries(): boolean {
    return this.#offsetInProgress < this.#offset + this.#entries.length;
  }

  nextSnapshot(): Snapshot | undefined {
    return this.#snapshotInProgress ? undefined : this.#snapshot;
  }

  /** All that is here was handed out for writing. */
  acceptInProgress(): void {
    this.#offsetInProgress = this.#offset + this.#entries.length;
    if (this.#snapshot) this.#snapshotInProgress = true;
  }

  /**
   * Entries up to this one are written and can be read from storage. The caller attests that no
   * write that is still in progress can overwrite them.
   */
  stableTo({ index, term }: EntryId): void {
    const ours = this.term(index);
    if (ours === undefined) {
      this.#logger.info(`entry at index ${index} missing from unstable log; ignoring`);
      return;
    }
    if (index < this.#offset) {
      this.#logger.info(`entry at index ${index} matched unstable snapshot; ignoring`);
      return;
    }
    if (ours !== term) {
      // Overwritten between being handed out and being reported.
      this.#logger.info(
        `entry at (index,term)=(${index},${term}) mismatched with entry at (${index},${ours}) in unstable log; ignoring`,
      );
      return;
    }
    this.#entries = this.#entries.slice(index + 1 - this.#offset);
    this.#offset = index + 1;
    this.#offsetInProgress = Math.max(this.#offsetInProgress, this.#offset);
  }

  stableSnapTo(index: Index): void {
    if (this.#snapshot?.metadata.index !== index) return;
    this.#snapshot = undefined;
    this.#snapshotInProgress = false;
  }

  /** The whole log is replaced by a snapshot. */
  restore(snapshot: Snapshot): void {
    this.#offset = snapshot.metadata.index + 1;
    this.#offsetInProgress = this.#offset;
    this.#entries = [];
    this.#snapshot = snapshot;
    this.#snapshotInProgress = false;
  }

  /** Puts the entries at their index; whatever was there or after is gone. */
  truncateAndAppend(entries: readonly Entry[]): void {
    const first = entries[0];
    if (!first) return;
    const from = first.index;
    if (from > this.#offset + this.#entries.length)
      throw new InvariantError(
        `unstable log ends at ${this.#offset + this.#entries.length - 1}, cannot append at ${from}`,
      );
    if (from <= this.#offset && this.#entries.length + this.#offset !== from) {
      this.#logger.info(`replace the unstable entries from index ${from}`);
      this.#offset = from;
      this.#offsetInProgress = from;
      this.#entries = [...entries];
      return;
    }
    if (from < this.#offset + this.#entries.length) {
      this.#logger.info(`truncate the unstable entries before index ${from}`);
      this.#entries.length = from - this.#offset;
      // What was handed out from here on is void: its replacement is to be written too.
      this.#offsetInProgress = Math.min(this.#offsetInProgress, from);
    }
    for (const entry of entries) this.#entries.push(entry);
  }

  /** Entries in [lo, hi), all of which must be here, within `maxSize` but at least one. */
  slice(lo: Index, hi: Index, maxSize: number): readonly Entry[] {
    const end = this.#offset + this.#entries.length;
    if (lo > hi || lo < this.#offset || hi > end)
      throw new InvariantError(`unstable.slice[${lo},${hi}) out of bound [${this.#offset},${end}]`);
    return sliceWithin(this.#entries, lo - this.#offset, hi - this.#offset, maxSize);
  }
}
