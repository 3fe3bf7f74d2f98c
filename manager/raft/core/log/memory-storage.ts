import { sliceWithin } from '../entries.js';
import { InvariantError, RaftError } from '../errors.js';
import { type ConfState, Entry, HardState, type Index, Snapshot, SnapshotMetadata, type Term } from '../types.js';
import type { Storage } from './storage.js';

/** A Storage that forgets with the process: the in-memory half of a write-ahead log, and for tests. */
export class MemoryStorage implements Storage {
  #hardState: HardState = HardState.create();
  #snapshot: Snapshot = Snapshot.create();
  /** #entries[i] has index #offset + i; the first is a placeholder for the last compacted entry. */
  #entries: Entry[] = [Entry.create()];

  get #offset(): Index {
    return this.#first.index;
  }

  get #first(): Entry {
    const first = this.#entries[0];
    if (!first) throw new InvariantError('storage without its placeholder entry');
    return first;
  }

  initialState(): { readonly hardState: HardState; readonly confState: ConfState } {
    return { hardState: this.#hardState, confState: this.#snapshot.metadata.confState };
  }

  setHardState(state: HardState): void {
    this.#hardState = state;
  }

  entries(lo: Index, hi: Index, maxSize: number): readonly Entry[] {
    if (lo <= this.#offset) throw new RaftError('compacted');
    if (hi > this.lastIndex() + 1) throw new RaftError('unavailable');
    return sliceWithin(this.#entries, lo - this.#offset, hi - this.#offset, maxSize);
  }

  term(index: Index): Term {
    if (index < this.#offset) throw new RaftError('compacted');
    const entry = this.#entries[index - this.#offset];
    if (!entry) throw new RaftError('unavailable');
    return entry.term;
  }

  lastIndex(): Index {
    return this.#offset + this.#entries.length - 1;
  }

  firstIndex(): Index {
    return this.#offset + 1;
  }

  snapshot(): Snapshot {
    return this.#snapshot;
  }

  /** Replaces everything by the snapshot. @throws RaftError (snapshot-out-of-date) */
  applySnapshot(snapshot: Snapshot): void {
    if (this.#snapshot.metadata.index >= snapshot.metadata.index) throw new RaftError('snapshot-out-of-date');
    this.#snapshot = snapshot;
    this.#entries = [placeholder(snapshot.metadata.index, snapshot.metadata.term)];
  }

  /**
   * Makes a snapshot at `index`, which must have been applied. Without `confState` the last
   * snapshot's configuration still holds.
   */
  createSnapshot(index: Index, confState: ConfState | undefined, data: Uint8Array): Snapshot {
    if (index <= this.#snapshot.metadata.index) throw new RaftError('snapshot-out-of-date');
    const metadata = SnapshotMetadata.create({
      index,
      term: this.term(index),
      confState: confState ?? this.#snapshot.metadata.confState,
    });
    this.#snapshot = { data, metadata };
    return this.#snapshot;
  }

  /** Forgets the entries up to `index`, which must have been applied. @throws RaftError (compacted) */
  compact(index: Index): void {
    if (index <= this.#offset) throw new RaftError('compacted');
    const term = this.term(index);
    this.#entries = [placeholder(index, term), ...this.#entries.slice(index - this.#offset + 1)];
  }

  /** Appends, cutting away what is stored from the first of these entries on. */
  append(entries: readonly Entry[]): void {
    const last = entries.at(-1);
    if (!last || last.index < this.firstIndex()) return;
    const kept = entries.filter(({ index }) => index >= this.firstIndex());
    const at = (kept[0]?.index ?? 0) - this.#offset;
    if (at > this.#entries.length)
      throw new InvariantError(`missing log entry [last: ${this.lastIndex()}, append at: ${kept[0]?.index}]`);
    this.#entries.length = at;
    for (const entry of kept) this.#entries.push(entry);
  }
}

function placeholder(index: Index, term: Term): Entry {
  return Entry.create({ index, term });
}
