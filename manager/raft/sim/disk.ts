import { MemoryStorage } from '../core/log/memory-storage.js';
import { deepFreeze } from '../core/testing/deep-freeze.js';
import type { Random } from '../core/testing/random.js';
import type { EntryId, HardState, Index, Snapshot } from '../core/types.js';

/** One write, the smallest thing that a crash leaves whole. */
export type Write = (storage: MemoryStorage) => void;

/**
 * A disk behind a cache: the process reads back all that it wrote, but a crash leaves only what was
 * synced and, of the rest, as much of its beginning as chance will have.
 */
export class SimDisk {
  #written: MemoryStorage;
  #durable: MemoryStorage;
  #unsynced: Write[] = [];

  constructor(initial: Snapshot) {
    this.#durable = new MemoryStorage();
    if (initial.metadata.index > 0) this.#durable.applySnapshot(deepFreeze(initial));
    this.#written = copyOf(this.#durable);
  }

  /** As the running process sees it; another one after a crash. */
  get written(): MemoryStorage {
    return this.#written;
  }

  write(writes: readonly Write[]): void {
    for (const write of writes) {
      write(this.#written);
      this.#unsynced.push(write);
    }
  }

  sync(): void {
    for (const write of this.#unsynced) write(this.#durable);
    this.#unsynced = [];
  }

  /** @param pending writes that were under way */
  crash(pending: readonly Write[], random: Random): void {
    const atRisk = [...this.#unsynced, ...pending];
    for (const write of atRisk.slice(0, random.below(atRisk.length + 1))) write(this.#durable);
    this.#unsynced = [];
    this.#durable = copyOf(this.#durable);
    this.#written = copyOf(this.#durable);
  }

  /** The hard state that a crash would leave. */
  get hardState(): HardState {
    return this.#durable.initialState().hardState;
  }

  /** The end of the log that a crash would leave. */
  get lastIndex(): Index {
    return this.#durable.lastIndex();
  }

  /** Whether a crash would leave this entry, itself or as part of a snapshot. */
  has({ index, term }: EntryId): boolean {
    const durable = this.#durable;
    if (index < durable.firstIndex() - 1) return true;
    return index <= durable.lastIndex() && durable.term(index) === term;
  }
}

/** What a process finds when it starts: the snapshot and the entries after it. */
function copyOf(storage: MemoryStorage): MemoryStorage {
  const copy = new MemoryStorage();
  const snapshot = storage.snapshot();
  if (snapshot.metadata.index > 0) copy.applySnapshot(snapshot);
  const first = copy.firstIndex();
  const last = storage.lastIndex();
  if (first <= last) copy.append(storage.entries(first, last + 1, Number.POSITIVE_INFINITY));
  copy.setHardState(storage.initialState().hardState);
  return copy;
}
