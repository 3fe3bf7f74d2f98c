import { deepFreeze } from '../core/testing/deep-freeze.js';
import type { Random } from '../core/testing/random.js';
import { Message, type NodeId } from '../core/types.js';

/** Messages between nodes: encoded on their way, in no order, and with links that can be cut. */
export class SimNetwork {
  readonly #random: Random;
  #inFlight: Message[] = [];
  /** `from>to` of links that are cut: a partition may hold in one direction only. */
  readonly #cut = new Set<string>();

  constructor(random: Random) {
    this.#random = random;
  }

  get size(): number {
    return this.#inFlight.length;
  }

  send(messages: readonly Message[]): void {
    for (const m of messages) this.#inFlight.push(deepFreeze(Message.decode(Message.encode(m))));
  }

  /** Takes one message, mostly an old one. */
  take(): Message | undefined {
    const reorders = this.#random.chance(0.2);
    const [m] = this.#inFlight.splice(reorders ? this.#random.below(this.#inFlight.length) : 0, 1);
    return m;
  }

  duplicate(): void {
    const m = this.#random.pick(this.#inFlight);
    if (m) this.#inFlight.push(m);
  }

  passes({ from, to }: Message): boolean {
    return !this.#cut.has(`${from}>${to}`);
  }

  /** Cuts these nodes off from the others: wholly, or so that they can only hear or only be heard. */
  partition(side: readonly NodeId[], all: readonly NodeId[]): void {
    const kind = this.#random.below(4);
    for (const a of side)
      for (const b of all) {
        if (side.includes(b)) continue;
        if (kind !== 1) this.#cut.add(`${a}>${b}`);
        if (kind !== 2) this.#cut.add(`${b}>${a}`);
      }
  }

  heal(): void {
    this.#cut.clear();
  }
}
