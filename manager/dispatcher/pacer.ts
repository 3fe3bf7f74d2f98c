/** Messages of one stream that may go out one right after the other, after a pause. */
const BURST = 10;
/** In a flood, milliseconds from one message to the next of a stream: at least, and for each stream that there is. */
const INTERVAL = 20;
const INTERVAL_PER_STREAM = 0.4;
/** With so many changes waiting a message is worth sending at once. */
const FULL = 100;

/**
 * Lets the first messages after a pause go out at once, and collects changes when there is a flood of them: what all
 * nodes have to know costs a manager as many messages as there are nodes, and so many a second it can send.
 */
export class Pacer {
  /** When the messages sent so far would have been sent if they had gone out at the pace of a flood. */
  #paidUntil = 0;
  #interval = INTERVAL;

  /** Milliseconds to wait before the next message. @param waiting number of changes for it */
  delay(now: number, waiting: number): number {
    return waiting >= FULL ? 0 : Math.max(0, this.#paidUntil - now - (BURST - 1) * this.#interval);
  }

  /** @param streams of the manager, this one included */
  sent(now: number, streams: number): void {
    this.#interval = Math.max(INTERVAL, streams * INTERVAL_PER_STREAM);
    this.#paidUntil = Math.max(this.#paidUntil, now) + this.#interval;
  }
}
