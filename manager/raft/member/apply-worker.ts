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
  /** Entries are applied: these responses are due, all of them to this node itself. */
  readonly onResponses: (responses: readonly Message[]) => void;
  /**
   * The same entries, one by one, for all who wait for them. After the responses: who goes on upon this
   * may ask the core for what it refuses before the entry is applied, such as the group's next change.
   */
  readonly onApplied: (entry: Entry) => void;
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
        for (let at = 0; at < message.entries.length; ) {
          at = this.#applyTurn(message, at, begun + TURN);
          if (performance.now() - begun < TURN) continue;
          await yieldToLoop();
          begun = performance.now();
        }
      }
    } catch (error) {
      this.#options.onFatal(error);
    } finally {
      this.#running = false;
    }
  }

  /** Applies the message's entries from this one on until the deadline, and tells. @returns the next one */
  #applyTurn({ entries, responses }: Message, from: number, deadline: number): number {
    const applied: Entry[] = [];
    let at = from;
    do {
      const entry = entries[at++] as Entry;
      if (this.#apply(entry)) applied.push(entry);
    } while (at < entries.length && performance.now() < deadline);
    const done = entries.slice(from, at);
    this.#options.onResponses(responses.map((response) => ({ ...response, entries: done })));
    for (const entry of applied) this.#options.onApplied(entry);
    return at;
  }

  /** False when a snapshot has come in between: the entry is in it. */
  #apply(entry: Entry): boolean {
    if (entry.index <= Math.max(this.#index, this.#voided)) return false;
    const change = confChangeOf(entry);
    if (change) {
      const confState = this.#configured(change);
      if (!confState) return false;
      this.#confState = confState;
    } else if (entry.type === EntryType.EntryNormal && entry.data.length > 0) {
      this.#options.machine.apply(entry.index, entry.data);
    }
    this.#index = entry.index;
    return true;
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
