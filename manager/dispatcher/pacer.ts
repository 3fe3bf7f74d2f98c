/** Messages of one stream that may go out within a window without waiting. */
const BURST = 10;
/** Milliseconds. */
const WINDOW = 100;
/** With so many changes waiting a message is worth sending at once. */
const FULL = 100;

/** Lets the first messages after a pause go out at once, and collects changes when there is a flood of them. */
export class Pacer {
  #windowEnds = 0;
  #sent = 0;

  /** Milliseconds to wait before the next message. @param waiting number of changes for it */
  delay(now: number, waiting: number): number {
    if (now >= this.#windowEnds) return 0;
    return this.#sent < BURST || waiting >= FULL ? 0 : this.#windowEnds - now;
  }

  sent(now: number): void {
    if (now >= this.#windowEnds) {
      this.#windowEnds = now + WINDOW;
      this.#sent = 0;
    }
    this.#sent++;
  }
}
