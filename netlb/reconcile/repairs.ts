import type { Clock } from '../../lib/clock.js';
import type { Operation } from '../plan/operation.js';
import { foundBy } from '../plan/words.js';
import type { DesiredState, Repair } from '../state.js';

const KEPT = 200;

/**
 * Tells repairs from what a new desired state asks for: what a pass changes is a repair when the pass before
 * it had done all that the very same state asks for, so that somebody else must have changed the kernel since.
 */
export class Repairs {
  readonly #clock: Clock;
  readonly #recent: Repair[] = [];
  #total = 0;
  /** All that it asks for has been done. */
  #settled: DesiredState | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The newest last; no more than some hundreds. */
  get recent(): readonly Repair[] {
    return this.#recent;
  }

  /** How many there were ever. */
  get total(): number {
    return this.#total;
  }

  /**
   * @param done the operations that a pass towards `desired` has done
   * @param complete whether it did all that it had to
   * @returns those that were repairs
   */
  note(desired: DesiredState, done: readonly Operation[], complete: boolean): readonly Repair[] {
    const repaired = this.#settled === desired ? this.#words(done) : [];
    this.#settled = complete ? desired : undefined;
    this.#total += repaired.length;
    this.#recent.push(...repaired);
    if (this.#recent.length > KEPT) this.#recent.splice(0, this.#recent.length - KEPT);
    return repaired;
  }

  #words(operations: readonly Operation[]): Repair[] {
    const at = this.#clock.now();
    return operations.flatMap((operation) =>
      foundBy(operation).map((message) => ({ subject: operation.subject, message, at })),
    );
  }
}
