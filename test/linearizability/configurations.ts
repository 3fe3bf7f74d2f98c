/** A way to explain the history so far, as far as the rest of the history can see. */
export interface Configuration<S> {
  readonly state: S;
  /** Of the operations that have not returned yet but will: those in the order already, one bit each. */
  readonly placed: bigint;
  /** Of the operations that never return: those that took effect, one bit each. */
  readonly used: bigint;
}

/**
 * A set of configurations without those that others make superfluous. An operation that never returns
 * need not take effect, so of two configurations that differ in `used` only, one with less can do all
 * that one with more can.
 */
export class Configurations<S> {
  readonly #used = new Map<S, Map<bigint, bigint[]>>();

  /** @returns whether it was worth adding */
  add({ state, placed, used }: Configuration<S>): boolean {
    let ofState = this.#used.get(state);
    if (!ofState) {
      ofState = new Map();
      this.#used.set(state, ofState);
    }
    const known = ofState.get(placed) ?? [];
    if (known.some((less) => (less & used) === less)) return false;
    ofState.set(placed, [...known.filter((more) => (more & used) !== used), used]);
    return true;
  }

  *[Symbol.iterator](): Iterator<Configuration<S>> {
    for (const [state, ofState] of this.#used)
      for (const [placed, sets] of ofState) for (const used of sets) yield { state, placed, used };
  }

  states(): S[] {
    return [...this.#used.keys()];
  }
}
