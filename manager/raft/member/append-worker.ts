import { yieldToLoop } from '../../../lib/async.js';
import type { StateMachine } from '../../store/proposer.js';
import type { MemoryStorage } from '../core/log/memory-storage.js';
import { mustSync } from '../core/ready.js';
import type { Entry, HardState, Message, SnapshotMetadata } from '../core/types.js';
import type { RaftDisk } from '../disk/raft-disk.js';

export interface AppendWorkerOptions {
  readonly disk: RaftDisk;
  readonly storage: MemoryStorage;
  readonly machine: StateMachine;
  /** Called before the state machine takes a snapshot's state. */
  readonly onReplace: (metadata: SnapshotMetadata) => void;
  /** Called when it has. */
  readonly onRestored: (metadata: SnapshotMetadata) => void;
  /** The messages' writes are durable, and all before them: their responses are due, in order. */
  readonly onDurable: (messages: readonly Message[]) => void;
  readonly onFatal: (error: unknown) => void;
}

interface Compaction {
  readonly metadata: SnapshotMetadata;
  readonly keepEntries: number;
  readonly done: (inForce: boolean) => void;
}

type Work = { readonly message: Message } | { readonly compaction: Compaction };

/**
 * Makes durable what the core asks for by MsgStorageAppend. What arrives during one write goes
 * together into the next one (group commit), so that the rate of entries is not that of fdatasync.
 * Everything that touches the log on disk comes through here, one at a time.
 */
export class AppendWorker {
  readonly #options: AppendWorkerOptions;
  #waiting: Work[] = [];
  #running: Promise<void> | undefined;

  constructor(options: AppendWorkerOptions) {
    this.#options = options;
  }

  push(message: Message): void {
    this.#enqueue({ message });
  }

  /**
   * Begins the log after this snapshot, which is on disk; keeps some entries before it in memory.
   * Resolves when that is durable, to false when the leader's snapshot has come in between.
   */
  compact(metadata: SnapshotMetadata, keepEntries: number): Promise<boolean> {
    return new Promise((done) => this.#enqueue({ compaction: { metadata, keepEntries, done } }));
  }

  /** Resolves when nothing is being written. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  #enqueue(work: Work): void {
    this.#waiting.push(work);
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    try {
      if (!this.#isAwaited()) await yieldToLoop();
      while (this.#waiting.length > 0) await this.#next();
    } catch (error) {
      // A write that failed leaves the disk in a state that nobody knows.
      this.#options.onFatal(error);
    } finally {
      this.#running = undefined;
    }
  }

  /**
   * A leader's own write gives way to what this turn of the event loop sends, so that others write it
   * meanwhile. Who is to acknowledge it to somebody else begins at once: before what is committed is applied.
   */
  #isAwaited(): boolean {
    const [work] = this.#waiting;
    if (!work || !('message' in work)) return false;
    const { responses, from } = work.message;
    return responses.some(({ to }) => to !== from);
  }

  async #next(): Promise<void> {
    const messages = this.#takeMessages();
    if (messages.length > 0) return this.#write(messages);
    const work = this.#waiting.shift();
    if (!work) return;
    if ('message' in work) return this.#replace(work.message);
    await this.#compact(work.compaction);
  }

  async #compact({ metadata, keepEntries, done }: Compaction): Promise<void> {
    const { disk, storage } = this.#options;
    if (metadata.index <= storage.snapshot().metadata.index) return done(false);
    await disk.adopt(metadata, { replace: false });
    storage.createSnapshot(metadata.index, metadata.confState, new Uint8Array(0));
    const end = metadata.index - keepEntries;
    if (end >= storage.firstIndex()) storage.compact(end);
    done(true);
  }

  /** Those before the next thing that is no plain append. */
  #takeMessages(): Message[] {
    const end = this.#waiting.findIndex((work) => !('message' in work) || work.message.snapshot !== undefined);
    const taken = this.#waiting.splice(0, end < 0 ? this.#waiting.length : end);
    return taken.flatMap((work) => ('message' in work ? [work.message] : []));
  }

  async #write(messages: readonly Message[]): Promise<void> {
    const { disk, storage, onDurable } = this.#options;
    let entries: readonly Entry[] = [];
    let hardState: HardState | undefined;
    const before = storage.initialState().hardState;
    for (const message of messages) {
      if (message.entries.length > 0)
        entries = entries.length === 0 ? message.entries : [...entries, ...message.entries];
      hardState = hardStateOf(message) ?? hardState;
    }
    const sync = mustSync(hardState ?? before, before, entries.length);
    if (entries.length > 0 || hardState) await disk.append({ entries, hardState }, sync);
    for (const message of messages) storage.append(message.entries);
    if (hardState) storage.setHardState(hardState);
    onDurable(messages);
  }

  /** A snapshot from the leader, whose state is on disk already, takes the place of log and state. */
  async #replace(message: Message): Promise<void> {
    const { disk, storage, machine, onReplace, onRestored, onDurable } = this.#options;
    const { snapshot } = message;
    if (!snapshot) return;
    const { metadata } = snapshot;
    const hardState = hardStateOf(message);
    if (hardState) {
      // The term first: no log may end in a later one than its node is in. The commit index comes with the snapshot.
      const { commit } = storage.initialState().hardState;
      await disk.append({ entries: [], hardState: { ...hardState, commit } }, true);
    }
    await disk.adopt(metadata, { replace: true });
    storage.applySnapshot(snapshot);
    if (hardState) storage.setHardState(hardState);
    onReplace(metadata);
    await machine.restore(metadata.index, disk.readSnapshot(metadata));
    onRestored(metadata);
    onDurable([message]);
  }
}

/** Undefined when the message leaves the hard state as it is. */
function hardStateOf({ term, vote, commit }: Message): HardState | undefined {
  return term === 0 && vote === 0 && commit === 0 ? undefined : { term, vote, commit };
}
