import type { Index, NodeId, ReadState } from '../core/types.js';
import { Violation } from './violation.js';

/** Linearizable reads: an answer must not be older than what was committed when the read was asked for. */
export class ReadHistory {
  readonly #asked = new Map<string, Index>();
  #answered = 0;

  get answered(): number {
    return this.#answered;
  }

  /** Returns the context of a new read. */
  ask(committed: Index): Uint8Array {
    const context = `r${this.#asked.size}`;
    this.#asked.set(context, committed);
    return Buffer.from(context);
  }

  observe(id: NodeId, { index, requestCtx }: ReadState): void {
    const context = Buffer.from(requestCtx).toString();
    const least = this.#asked.get(context);
    if (least === undefined)
      throw new Violation('linearizable read', `${id} answers ${context}, which nobody asked for`);
    if (index < least)
      throw new Violation('linearizable read', `${id} answers ${context} at ${index}; ${least} was committed before`);
    this.#answered++;
  }
}
