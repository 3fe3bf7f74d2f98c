import { yieldToLoop } from '../../../lib/async.js';
import type { StateMachine } from '../../store/proposer.js';
import { type AnyConfChange, confChangeOf } from '../core/confchange/change.js';
import { RaftError } from '../core/errors.js';
import {
  type ConfState,
  type Entry,
  EntryType,
  type Index,
  type Message,
  type SnapshotMetadata,
} from '../core/types.js';

export interface ApplyWorkerOptions {
  readonly machine: StateMachine;
  /** Of the state that the machine begins with. */
  readonly index: Index;
  readonly confState: ConfState;
  /** Undefined when a snapshot has come in between: see RawNode.applyConfChange. */
  readonly applyConfChange: (change: AnyConfChange) => ConfState | undefined;
  readonly onApplied: (entry: Entry) => void;
  /** The message's entries are applied: its responses are due. */
  readonly onDone: (message: Message) => void;
  readonly onFatal: (error: unknown) => void;
}

/** Milliseconds of applying in one turn of the event loop. */
const TURN = 10;

/** Applies committed entries to the state machine, in order and each once. Knows what the state is of. */
export class ApplyWorker {
  readonly #options: ApplyWorkerOptions;
  readonly #waiting: Message[] = [];
  #running = false;
  #index: Index;
  /** Of the snapshot that the machine holds, or is about to. */
  #voided: Index;
  #confState: ConfState;

  constructor(options: ApplyWorkerOptions) {
    this.#options = options;
    this.#index = options.index;
    this.#voided = options.index;
    this.#confState = options.confState;
  }

  /** The last entry that the state holds. */
  get index(): Index {
    return this.#index;
  }

  /** The configuration after that entry. */
  get confState(): ConfState {
    return this.#confState;
  }

  /** @param message a MsgStorageApply. Applied before this returns when nothing waits. */
  push(message: Message): void {
    this.#waiting.push(message);
    if (!this.#running) void this.#run();
  }

  /** The machine is to be replaced by this snapshot: what was handed out before must not be applied to it. */
  replacedBy({ index, confState }: SnapshotMetadata): void {
    this.#voided = index;
    this.#confState = confState;
  }

  /** The machine holds that snapshot's state now: until then, a read would have found an older one. */
  restored({ index }: SnapshotMetadata): void {
    this.#index = index;
  }

  async #run(): Promise<void> {
    this.#running = true;
    try {
      let begun = performance.now();
      for (let message = this.#waiting.shift(); message; message = this.#waiting.shift()) {
        for (const entry of message.entries) {
          this.#apply(entry);
          if (performance.now() - begun < TURN) continue;
          await yieldToLoop();
          begun = performance.now();
        }
        this.#options.onDone(message);
      }
    } catch (error) {
      this.#options.onFatal(error);
    } finally {
      this.#running = false;
    }
  }

  #apply(entry: Entry): void {
    if (entry.index <= Math.max(this.#index, this.#voided)) return;
    const change = confChangeOf(entry);
    if (change) {
      const confState = this.#configured(change);
      if (!confState) return;
      this.#confState = confState;
    } else if (entry.type === EntryType.EntryNormal && entry.data.length > 0) {
      this.#options.machine.apply(entry.index, entry.data);
    }
    this.#index = entry.index;
    this.#options.onApplied(entry);
  }

  #configured(change: AnyConfChange): ConfState | undefined {
    try {
      return this.#options.applyConfChange(change);
    } catch (error) {
      // All managers apply the same changes to the same configuration, so all refuse the same ones.
      if (error instanceof RaftError && error.code === 'conf-change-refused') return this.#confState;
      throw error;
    }
  }
}
