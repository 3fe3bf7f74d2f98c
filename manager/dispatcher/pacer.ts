/** Messages of one stream that may go out one right after the other, after a pause. */
const BURST = 10;
/** In a flood, milliseconds from one message to the next. */
const INTERVAL = 20;
/** With so many changes waiting a message is worth sending at once. */
const FULL = 100;

/** Lets the first messages after a pause go out at once, and collects changes when there is a flood of them. */
export class Pacer {
  /** When the messages sent so far would have been sent if one went out every INTERVAL. */
  #paidUntil = 0;

  /** Milliseconds to wait before the next message. @param waiting number of changes for it */
  delay(now: number, waiting: number): number {
    return waiting >= FULL ? 0 : Math.max(0, this.#paidUntil - now - (BURST - 1) * INTERVAL);
  }

  sent(now: number): void {
    this.#paidUntil = Math.max(this.#paidUntil, now) + INTERVAL;
  }
}
