import { InvariantError } from '../errors.js';
import type { Index } from '../types.js';

export interface Inflight {
  /** The last entry of the message. */
  readonly index: Index;
  readonly bytes: number;
}

/**
 * The MsgApps on their way to one follower, oldest first: a sliding window bounded by count and,
 * loosely, by bytes (the message that crosses the bound is still let in, so that one message larger
 * than the bound can be sent).
 */
export class Inflights {
  readonly #maxMsgs: number;
  readonly #maxBytes: number;
  #window: Inflight[] = [];
  /** Messages of the window that were acknowledged already: freed lazily, so that freeing is cheap. */
  #start = 0;
  #bytes = 0;

  constructor(maxMsgs: number, maxBytes: number = Number.POSITIVE_INFINITY) {
    this.#maxMsgs = maxMsgs;
    this.#maxBytes = maxBytes;
  }

  get count(): number {
    return this.#window.length - this.#start;
  }

  get full(): boolean {
    return this.count >= this.#maxMsgs || this.#bytes >= this.#maxBytes;
  }

  /** Oldest first. */
  get window(): readonly Inflight[] {
    return this.#window.slice(this.#start);
  }

  /** Indexes must come in increasing order. */
  add(index: Index, bytes: number): void {
    if (this.full) throw new InvariantError('cannot add into a full inflights');
    this.#window.push({ index, bytes });
    this.#bytes += bytes;
  }

  /** Frees every message that ends at or before `index`. */
  freeTo(index: Index): void {
    for (let first = this.#window[this.#start]; first !== undefined && first.index <= index; ) {
      this.#bytes -= first.bytes;
      first = this.#window[++this.#start];
    }
    if (this.#start * 2 > this.#window.length) {
      this.#window = this.#window.slice(this.#start);
      this.#start = 0;
    }
  }

  reset(): void {
    this.#window = [];
    this.#start = 0;
    this.#bytes = 0;
  }
}
