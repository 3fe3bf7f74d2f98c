import type { Clock } from '../../lib/clock.js';

/** A task that is ready waits no longer than this for its predecessor to stop; ms. */
const OLD_TASK_TIMEOUT = 60_000;

interface Waiting {
  readonly slot: string;
  /** By the clock's `monotonic`, as the deadline. */
  readonly dueAt: number;
  readonly deadline: number;
  readonly cancel: readonly (() => void)[];
}

/**
 * Tasks with desired state READY, waiting for a restart delay to pass and for what was in their slot
 * to stop. `due` holds those that are to be looked at.
 */
export class DelayedStarts {
  readonly due = new Set<string>();
  readonly #clock: Clock;
  readonly #wake: () => void;
  readonly #waiting = new Map<string, Waiting>();
  readonly #bySlot = new Map<string, Set<string>>();

  constructor(clock: Clock, wake: () => void) {
    this.#clock = clock;
    this.#wake = wake;
  }

  has(taskId: string): boolean {
    return this.#waiting.has(taskId);
  }

  /**
   * @param since when the task was made, milliseconds since the epoch
   * @param dueAt before which it must not start, milliseconds since the epoch
   */
  add(taskId: string, slot: string, since: number, dueAt: number): void {
    if (this.#waiting.has(taskId)) return;
    const now = this.#clock.now();
    const delay = Math.max(0, dueAt - now);
    const patience = Math.max(delay, since + OLD_TASK_TIMEOUT - now);
    const look = () => {
      this.due.add(taskId);
      this.#wake();
    };
    if (delay === 0) this.due.add(taskId);
    // From here on the machine's clock may be set.
    const begun = this.#clock.monotonic();
    const cancel = [delay, patience].filter((ms) => ms > 0).map((ms) => this.#clock.after(ms, look));
    this.#waiting.set(taskId, { slot, dueAt: begun + delay, deadline: begun + patience, cancel });
    const inSlot = this.#bySlot.get(slot);
    if (inSlot) inSlot.add(taskId);
    else this.#bySlot.set(slot, new Set([taskId]));
  }

  /** Whether it may start, given whether something else in its slot still runs. */
  mayStart(taskId: string, occupied: boolean): boolean {
    const waiting = this.#waiting.get(taskId);
    const now = this.#clock.monotonic();
    return waiting !== undefined && now >= waiting.dueAt && (!occupied || now >= waiting.deadline);
  }

  remove(taskId: string): void {
    const waiting = this.#waiting.get(taskId);
    this.due.delete(taskId);
    if (!waiting) return;
    for (const cancel of waiting.cancel) cancel();
    this.#waiting.delete(taskId);
    const inSlot = this.#bySlot.get(waiting.slot);
    inSlot?.delete(taskId);
    if (inSlot?.size === 0) this.#bySlot.delete(waiting.slot);
  }

  /** Something in the slot has stopped. */
  slotChanged(slot: string): void {
    for (const taskId of this.#bySlot.get(slot) ?? []) this.due.add(taskId);
  }

  clear(): void {
    for (const taskId of [...this.#waiting.keys()]) this.remove(taskId);
  }
}
