/** Items that could not be written, each with why. */
export type Failed<I> = ReadonlyMap<I, unknown>;

/**
 * Collects small writes into few: the first goes out at once, and those that come while it is on its
 * way go together in the next. What is wrong with an item is its caller's alone.
 */
export class Batcher<I> {
  readonly #write: (items: readonly I[]) => Promise<Failed<I>>;
  #waiting: I[] = [];
  #next: Promise<Failed<I>> | undefined;
  #running: Promise<unknown> = Promise.resolve();

  /** @param write throws when nothing could be written */
  constructor(write: (items: readonly I[]) => Promise<Failed<I>>) {
    this.#write = write;
  }

  /** Resolves when the items have been written. @throws why one of them could not be, or what `write` throws */
  async add(...items: readonly I[]): Promise<void> {
    this.#waiting.push(...items);
    this.#next ??= this.#after();
    const failed = await this.#next;
    for (const item of items) if (failed.has(item)) throw failed.get(item);
  }

  #after(): Promise<Failed<I>> {
    const written = this.#running.then(() => {
      this.#next = undefined;
      return this.#write(this.#waiting.splice(0));
    });
    this.#running = written.catch(() => undefined);
    return written;
  }
}
