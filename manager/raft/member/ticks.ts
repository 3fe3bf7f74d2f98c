import type { Clock } from '../../../lib/clock.js';
import type { RawNode } from '../core/raw-node.js';
import { ELECTION_TICKS, TICK } from './settings.js';

/** More than a core that does nothing can tell apart. */
const MOST = 10 * ELECTION_TICKS;

export interface TicksOptions {
  readonly clock: Clock;
  readonly raw: RawNode;
  /** So many ticks are about to be counted. */
  readonly onTicks: (count: number) => void;
  /** The next tick is one that does something: to be given to the core. */
  readonly act: () => void;
}

/**
 * Tells the core how time passes, and wakes the process only for a tick that does something: what is merely counted
 * is counted before the next input.
 */
export class Ticks {
  readonly #options: TicksOptions;
  /** Up to when ticks were given to the core. */
  #until: number;
  #dueAt = Number.POSITIVE_INFINITY;
  /** The last tick that was due came late, and was not given to the core. */
  #spared = false;
  #cancel = () => {};

  constructor(options: TicksOptions) {
    this.#options = options;
    this.#until = options.clock.monotonic();
  }

  /** Counts the ticks that have passed and do nothing. To be called before anything else is given to the core. */
  catchUp(): void {
    const { clock, raw, onTicks } = this.#options;
    const now = clock.monotonic();
    const passed = Math.floor((now - this.#until) / TICK);
    if (passed < 1) return;
    const next = raw.ticksToNext;
    const count = Math.min(passed, next - 1, MOST);
    if (count > 0) onTicks(count);
    for (let i = 0; i < count; i++) raw.tick();
    this.#until = next === Number.POSITIVE_INFINITY ? now : this.#until + count * TICK;
  }

  /** To be called after anything was given to the core. */
  arm(): void {
    const { clock, raw } = this.#options;
    const dueAt = this.#until + raw.ticksToNext * TICK;
    // What is armed too early finds nothing to do, and is seldom: a leader that is heard of moves the end of patience on and on.
    if (dueAt >= this.#dueAt) return;
    this.#cancel();
    this.#dueAt = dueAt;
    this.#cancel = clock.after(dueAt - clock.monotonic(), () => this.#fire());
  }

  stop(): void {
    this.#cancel();
  }

  #fire(): void {
    const { clock, raw, onTicks, act } = this.#options;
    this.#dueAt = Number.POSITIVE_INFINITY;
    this.catchUp();
    const now = clock.monotonic();
    if (raw.ticksToNext === 1 && now - this.#until >= TICK) {
      const isLate = now - this.#until >= 2 * TICK;
      this.#until = isLate ? now : this.#until + TICK;
      // A process that has stood still has not read yet what its leader has said meanwhile. One that is always late has.
      this.#spared = isLate && !this.#spared && raw.raft.state !== 'StateLeader';
      if (!this.#spared) {
        onTicks(1);
        act();
      }
    }
    this.arm();
  }
}
