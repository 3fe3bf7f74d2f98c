import { yieldToLoop } from '../../../lib/async.js';
import { messageOf } from '../../../lib/errors.js';
import type { Logger } from '../../../lib/log.js';
import type { StateMachine } from '../../store/proposer.js';
import type { MemoryStorage } from '../core/log/memory-storage.js';
import type { Storage } from '../core/log/storage.js';
import { type Index, Snapshot, SnapshotMetadata } from '../core/types.js';
import type { RaftDisk } from '../disk/raft-disk.js';
import type { AppendWorker } from './append-worker.js';
import type { ApplyWorker } from './apply-worker.js';

/** When snapshots are taken, and what they leave; asked each time, so that it can change. */
export interface SnapshotPolicy {
  /** Entries between two snapshots. */
  readonly interval: number;
  /** Entries before a snapshot that stay in memory, for followers that are a little behind. */
  readonly keepEntries: number;
}

export interface SnapshotterOptions {
  readonly disk: RaftDisk;
  readonly storage: MemoryStorage;
  readonly machine: StateMachine;
  readonly appender: AppendWorker;
  readonly applier: ApplyWorker;
  readonly policy: () => SnapshotPolicy;
  readonly log: Logger;
}

/**
 * Cuts the log by snapshots, and gives followers the state as it is now: a state is immutable, so that
 * taking one costs nothing until it is encoded.
 */
export class Snapshotter {
  readonly #options: SnapshotterOptions;
  #last: Index;
  #running: Promise<void> | undefined;
  #stopped = false;

  /** @param last the index of the snapshot in force */
  constructor(options: SnapshotterOptions, last: Index) {
    this.#options = options;
    this.#last = last;
  }

  /** What the core reads: the log in memory, and for followers the newest state. */
  get coreStorage(): Storage {
    const { storage } = this.#options;
    return {
      initialState: () => storage.initialState(),
      entries: (lo, hi, maxSize) => storage.entries(lo, hi, maxSize),
      term: (index) => storage.term(index),
      firstIndex: () => storage.firstIndex(),
      lastIndex: () => storage.lastIndex(),
      snapshot: () => Snapshot.create({ metadata: this.#metadata() }),
    };
  }

  /**
   * The state that a MsgSnap promises: messages are sent before anything more is applied, so it is the
   * newest one. Undefined when that does not hold.
   */
  stateAt(index: Index): Iterable<Uint8Array> | undefined {
    const { applier, machine } = this.#options;
    return applier.index === index ? machine.snapshot().chunks : undefined;
  }

  /** A snapshot of the leader's has replaced log and state. */
  replacedBy(index: Index): void {
    this.#last = index;
  }

  /** To be called when entries were applied. */
  applied(): void {
    if (this.#running || this.#stopped) return;
    if (this.#options.applier.index - this.#last < this.#options.policy().interval) return;
    this.#running = this.#compact().finally(() => {
      this.#running = undefined;
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  #metadata(): SnapshotMetadata {
    const { applier, storage } = this.#options;
    const { index, confState } = applier;
    return SnapshotMetadata.create({ index, term: storage.term(index), confState });
  }

  async #compact(): Promise<void> {
    const { disk, machine, appender, policy, log } = this.#options;
    const metadata = this.#metadata();
    // Before the outcome is known: a failure is not to be repeated with every entry.
    this.#last = metadata.index;
    const { chunks } = machine.snapshot();
    try {
      await disk.writeSnapshot(metadata, paced(chunks));
    } catch (error) {
      log.error({ err: error }, `cannot write a snapshot; the log goes on growing: ${messageOf(error)}`);
      return;
    }
    if (!(await appender.compact(metadata, policy().keepEntries))) return;
    log.info({ index: metadata.index, term: metadata.term }, 'wrote a snapshot');
  }
}

/** Encoding a chunk takes milliseconds: others have a turn in between. */
async function* paced(chunks: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) {
    yield chunk;
    await yieldToLoop();
  }
}
