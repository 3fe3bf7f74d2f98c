import type { Clock } from '../../lib/clock.js';

/**
 * Rests are this many times as long as the pass before was at work, so that passes take at most a third of a processor.
 * While it waited for one it was in nobody's way.
 */
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
  readonly #processorTime: () => number;
  #restUntil = 0;

  /** @param processorTime milliseconds that this process has had so far */
  constructor(clock: Clock, processorTime: () => number = processorTimeOfProcess) {
    this.#clock = clock;
    this.#processorTime = processorTime;
  }

  /** Milliseconds. */
  get rest(): number {
    return Math.max(0, this.#restUntil - this.#clock.monotonic());
  }

  async measure<T>(pass: () => Promise<T>): Promise<T> {
    const [start, before] = [this.#clock.monotonic(), this.#processorTime()];
    try {
      return await pass();
    } finally {
      const end = this.#clock.monotonic();
      // Other threads had some of it, too: it may be more than the time that went by.
      const atWork = Math.min(end - start, this.#processorTime() - before);
      this.#restUntil = end + Math.min(LONGEST_REST, REST_RATIO * atWork);
    }
  }
}

function processorTimeOfProcess(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
