import { type Deferred, deferred } from '../../../lib/async.js';
import type { Clock } from '../../../lib/clock.js';
import type { SwarmError } from '../../../lib/errors.js';
import type { Index, NodeId, ReadState } from '../core/types.js';
import { BARRIER_TIMEOUT, READ_RETRY } from './settings.js';

export interface ReadsOptions {
  readonly id: NodeId;
  readonly clock: Clock;
  readonly random: () => number;
  /** Asks the core; the request may be lost. */
  readonly readIndex: (context: Uint8Array) => void;
  readonly applied: () => Index;
  /** Why nothing was confirmed in time. */
  readonly noQuorum: () => SwarmError;
}

interface Batch {
  readonly done: Deferred<void>;
  /** Set once a quorum has confirmed that nothing newer than this index is acknowledged. */
  index: Index | undefined;
}

/**
 * Linearizable reads by ReadIndex (Raft thesis 6.4). Those that arrive while one confirmation is under
 * way share the next one: it must begin after the read was asked for.
 */
export class Reads {
  readonly #options: ReadsOptions;
  readonly #prefix: string;
  #count = 0;
  /** Of the batch that was asked for: the answer to any of them is one. */
  readonly #contexts = new Set<string>();
  #asked: Batch | undefined;
  #next: Batch | undefined;
  /** Confirmed, and waiting for the state machine. */
  #confirmed: Batch[] = [];
  readonly #timers = new Set<() => void>();
  #cancelRetry: () => void = () => {};

  constructor(options: ReadsOptions) {
    this.#options = options;
    // Contexts are unique in the group, over restarts too: a late answer must not confirm another's read.
    this.#prefix = `${options.id}/${Math.floor(options.random() * 2 ** 48).toString(36)}/`;
  }

  /** Resolves when all that was acknowledged before is applied here. @throws UNAVAILABLE when no quorum answers in time */
  barrier(): Promise<void> {
    if (!this.#next) {
      this.#next = { done: deferred(), index: undefined };
      this.#expire(this.#next);
    }
    const { promise } = this.#next.done;
    if (!this.#asked) this.#askNext();
    return promise;
  }

  confirmed({ index, requestCtx }: ReadState): void {
    const batch = this.#asked;
    if (!batch || !this.#contexts.has(Buffer.from(requestCtx).toString())) return;
    this.#endAsking();
    batch.index = index;
    this.#confirmed.push(batch);
    this.applied();
    this.#askNext();
  }

  /** To be called when the state machine has moved. */
  applied(): void {
    if (this.#confirmed.length === 0) return;
    const applied = this.#options.applied();
    this.#confirmed = this.#confirmed.filter(({ index, done }) => {
      if (index === undefined || index > applied) return true;
      done.resolve();
      return false;
    });
  }

  stop(): void {
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
    for (const batch of [this.#asked, this.#next, ...this.#confirmed]) batch?.done.reject(this.#options.noQuorum());
    this.#endAsking();
    this.#next = undefined;
    this.#confirmed = [];
  }

  #askNext(): void {
    if (this.#asked || !this.#next) return;
    this.#asked = this.#next;
    this.#next = undefined;
    this.#ask();
  }

  #ask(): void {
    const context = `${this.#prefix}${++this.#count}`;
    this.#contexts.add(context);
    // The request or its answer may be lost, or the leader another one.
    this.#cancelRetry();
    this.#cancelRetry = this.#options.clock.after(READ_RETRY, () => this.#ask());
    this.#options.readIndex(Buffer.from(context));
  }

  #endAsking(): void {
    this.#asked = undefined;
    this.#contexts.clear();
    this.#cancelRetry();
  }

  #expire(batch: Batch): void {
    const cancel = this.#options.clock.after(BARRIER_TIMEOUT, () => {
      this.#timers.delete(cancel);
      if (this.#asked === batch) this.#endAsking();
      if (this.#next === batch) this.#next = undefined;
      this.#confirmed = this.#confirmed.filter((other) => other !== batch);
      batch.done.reject(this.#options.noQuorum());
      this.#askNext();
    });
    this.#timers.add(cancel);
    const forget = () => {
      cancel();
      this.#timers.delete(cancel);
    };
    batch.done.promise.then(forget, forget);
  }
}
