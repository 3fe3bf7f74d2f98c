/**
 * Collects small writes into few: the first goes out at once, and those that come while it is on its
 * way go together in the next.
 */
export class Batcher<I> {
  readonly #write: (items: readonly I[]) => Promise<void>;
  #waiting: I[] = [];
  #next: Promise<void> | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(write: (items: readonly I[]) => Promise<void>) {
    this.#write = write;
  }

  /** Resolves when the items have been written. @throws what `write` throws */
  add(...items: readonly I[]): Promise<void> {
    this.#waiting.push(...items);
    if (this.#next) return this.#next;
    const written = this.#running.then(() => {
      this.#next = undefined;
      return this.#write(this.#waiting.splice(0));
    });
    this.#next = written;
    this.#running = written.catch(() => undefined);
    return written;
  }
}
