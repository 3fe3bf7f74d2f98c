import type { Clock } from '../../lib/clock.js';
import type { DesiredState } from '../state.js';

/** Rests are this many times as long as the pass before, so that passes take at most a third of the time. */
const REST_RATIO = 2;
/** Milliseconds. */
const LONGEST_REST = 60;

/**
 * Says when a pass may begin. Where many tasks come up, their addresses become known one by one, and each
 * changes a rule in every sandbox that reaches them: with a rest after a pass, the next one does several of
 * these changes at once. A pass that makes a sandbox does not wait, for a task does.
 */
export class Pace {
  readonly #clock: Clock;
  #restUntil = 0;
  #sandboxes: ReadonlySet<string> = new Set();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async ready(desired: DesiredState | undefined): Promise<void> {
    const rest = this.#restUntil - this.#clock.now();
    if (rest <= 0 || desired?.sandboxes.some(({ id }) => !this.#sandboxes.has(id))) return;
    // Not longer than a rest may be, even when the clock was set back.
    await this.#clock.sleep(Math.min(rest, LONGEST_REST));
  }

  /** A pass that makes the desired state. */
  async measure<T>(desired: DesiredState | undefined, pass: () => Promise<T>): Promise<T> {
    const start = this.#clock.now();
    this.#sandboxes = new Set(desired?.sandboxes.map(({ id }) => id));
    try {
      return await pass();
    } finally {
      const end = this.#clock.now();
      this.#restUntil = end + Math.min(LONGEST_REST, REST_RATIO * (end - start));
    }
  }
}
