import { type Configuration, Configurations } from './configurations.js';
import type { Model } from './model.js';

/** An operation that was invoked, with its bit in a configuration's sets. */
export interface Open<I, O> {
  readonly input: I;
  readonly output: O | undefined;
  readonly bit: bigint;
  /** The bit of the interchangeable operation that is to take effect before; 0 when there is none. */
  readonly after: bigint;
}

/** The configurations that explain the events so far, and the operations that are open. */
export class Front<S, I, O> {
  readonly #model: Model<S, I, O>;
  #configurations = new Configurations<S>();
  readonly #pending = new Set<Open<I, O>>();
  readonly #unknown: Open<I, O>[] = [];
  readonly #lastUnknown = new Map<I, bigint>();

  constructor(model: Model<S, I, O>, starts: readonly S[]) {
    this.#model = model;
    for (const state of starts) this.#configurations.add({ state, placed: 0n, used: 0n });
  }

  /** What the state can be by all that had to take effect. */
  states(): S[] {
    return this.#configurations.states();
  }

  invoke(input: I, output: O | undefined): Open<I, O> {
    if (output === undefined) {
      const bit = 1n << BigInt(this.#unknown.length);
      const operation = { input, output, bit, after: this.#lastUnknown.get(input) ?? 0n };
      this.#lastUnknown.set(input, bit);
      this.#unknown.push(operation);
      return operation;
    }
    const operation = { input, output, bit: this.#freeBit(), after: 0n };
    this.#pending.add(operation);
    const next = new Configurations<S>();
    for (const configuration of this.#configurations) next.add(this.#settle(configuration, [operation]));
    this.#configurations = next;
    return operation;
  }

  /** The operation must be in the order from now on. @returns false when that is impossible */
  return(operation: Open<I, O>): boolean {
    const next = new Configurations<S>();
    const seen = new Configurations<S>();
    const queue: Configuration<S>[] = [];
    const visit = (configuration: Configuration<S>) => {
      if (configuration.placed & operation.bit)
        next.add({ ...configuration, placed: configuration.placed & ~operation.bit });
      else if (seen.add(configuration)) queue.push(configuration);
    };
    for (const configuration of this.#configurations) visit(configuration);
    // The queue grows while it is read.
    for (const configuration of queue) for (const successor of this.#successors(configuration)) visit(successor);
    this.#pending.delete(operation);
    this.#configurations = next;
    return next.states().length > 0;
  }

  /** What one more operation that changes the state leads to. */
  *#successors(configuration: Configuration<S>): Iterable<Configuration<S>> {
    const { state, placed, used } = configuration;
    for (const { input, output, bit } of this.#pending) {
      if (placed & bit) continue;
      const result = this.#model.apply(state, input);
      if (result.output === output)
        yield this.#settle({ state: result.state, placed: placed | bit, used }, this.#pending);
    }
    for (const { input, bit, after } of this.#unknown) {
      if (used & bit || (used & after) !== after) continue;
      const result = this.#model.apply(state, input);
      if (result.state !== state) yield this.#settle({ state: result.state, placed, used: used | bit }, this.#pending);
    }
  }

  /**
   * Places what fits now and leaves the state as it is. No other choice is better: in any order that
   * places such an operation later, it can be moved to here, and nothing else notices.
   */
  #settle(configuration: Configuration<S>, operations: Iterable<Open<I, O>>): Configuration<S> {
    let { placed } = configuration;
    for (const { input, output, bit } of operations) {
      if (placed & bit) continue;
      const result = this.#model.apply(configuration.state, input);
      if (result.state === configuration.state && result.output === output) placed |= bit;
    }
    return { ...configuration, placed };
  }

  #freeBit(): bigint {
    let taken = 0n;
    for (const { bit } of this.#pending) taken |= bit;
    let bit = 1n;
    while (taken & bit) bit <<= 1n;
    return bit;
  }
}
