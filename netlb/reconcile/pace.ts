import type { Clock } from '../../lib/clock.js';

/** Rests are this many times as long as the pass before, so that passes take at most a third of the time. */
const REST_RATIO = 2;
/** Milliseconds. */
const LONGEST_REST = 200;

/**
 * How long the next pass should wait. Where many tasks come up, their addresses become known one by one, and each
 * changes a rule in every sandbox that reaches them: with a rest after a pass, the next one does several of
 * these changes at once.
 */
export class Pace {
  readonly #clock: Clock;
  #restUntil = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds. */
  get rest(): number {
    return Math.max(0, this.#restUntil - this.#clock.monotonic());
  }

  async measure<T>(pass: () => Promise<T>): Promise<T> {
    const start = this.#clock.monotonic();
    try {
      return await pass();
    } finally {
      const end = this.#clock.monotonic();
      this.#restUntil = end + Math.min(LONGEST_REST, REST_RATIO * (end - start));
    }
  }
}
