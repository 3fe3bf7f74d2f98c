import { deepFreeze } from '../core/testing/deep-freeze.js';
import type { Random } from '../core/testing/random.js';
import { Message, type NodeId } from '../core/types.js';

/** What is buffered on the way, at most; then the oldest is lost. */
const capacity = 300;

/** Messages between nodes: encoded on their way, in no order, and with links that can be cut. */
export class SimNetwork {
  readonly #random: Random;
  readonly #disorder: number;
  #inFlight: Message[] = [];
  /** Messages on a detour: they arrive long after those sent later. */
  #astray: Message[] = [];
  /** `from>to` of links that are cut: a partition may hold in one direction only. */
  readonly #cut = new Set<string>();

  /** While this holds, nothing arrives, and nothing is lost. */
  jammed = false;

  /** @param disorder how likely a message overtakes others */
  constructor(random: Random, disorder: number) {
    this.#random = random;
    this.#disorder = disorder;
  }

  get size(): number {
    return this.#inFlight.length;
  }

  /** Whether nothing will arrive. */
  get idle(): boolean {
    return this.jammed || this.#inFlight.length === 0;
  }

  /** Returns what is lost. */
  send(messages: readonly Message[]): readonly Message[] {
    for (const m of messages) this.#inFlight.push(deepFreeze(Message.decode(Message.encode(m))));
    return this.#inFlight.splice(0, Math.max(0, this.#inFlight.length - capacity));
  }

  /** Takes one message, mostly an old one. */
  take(): Message | undefined {
    if (this.jammed) return undefined;
    const overtakes = this.#random.chance(this.#disorder);
    const at = overtakes ? this.#random.below(this.#inFlight.length) : 0;
    return at === 0 ? this.#inFlight.shift() : this.#inFlight.splice(at, 1)[0];
  }

  duplicate(): void {
    const m = this.#random.pick(this.#inFlight);
    if (m) this.#inFlight.push(m);
  }

  /** Sends a message on a detour. */
  divert(): void {
    const m = this.#astray.length < capacity ? this.take() : undefined;
    if (m) this.#astray.push(m);
  }

  bringBack(): void {
    const [m] = this.#astray.splice(this.#random.below(this.#astray.length), 1);
    if (m) this.#inFlight.unshift(m);
  }

  passes({ from, to }: Message): boolean {
    return !this.#cut.has(`${from}>${to}`);
  }

  /** Cuts these nodes off from the others: wholly, or so that they can only hear or only be heard. */
  partition(side: readonly NodeId[], all: readonly NodeId[], kind = this.#random.below(6)): void {
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

  /** Whatever is still on a detour arrives now. */
  settle(): void {
    this.heal();
    this.jammed = false;
    this.#inFlight.push(...this.#astray);
    this.#astray = [];
  }
}
