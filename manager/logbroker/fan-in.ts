/**
 * Many writers, one reader, and room for a few items: a writer waits while it is full, so that the
 * reader's pace reaches back to where the items come from.
 */
export class FanIn<T> implements AsyncIterable<T> {
  readonly #capacity: number;
  readonly #items: T[] = [];
  #writers: (() => void)[] = [];
  #reader: (() => void) | undefined;
  #ended = false;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Resolves when there was room: true, or false when nobody reads any more. */
  async push(item: T): Promise<boolean> {
    while (this.#items.length >= this.#capacity && !this.#ended) {
      await new Promise<void>((resolve) => this.#writers.push(resolve));
    }
    if (this.#ended) return false;
    this.#items.push(item);
    this.#reader?.();
    return true;
  }

  /** The reader gets what is there and then the end; writers are turned away. */
  end(): void {
    this.#ended = true;
    this.#reader?.();
    this.#releaseWriters();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (;;) {
      const item = this.#items.shift();
      if (item !== undefined) {
        this.#releaseWriters();
        yield item;
        continue;
      }
      if (this.#ended) return;
      await new Promise<void>((resolve) => {
        this.#reader = resolve;
      });
      this.#reader = undefined;
    }
  }

  #releaseWriters(): void {
    const writers = this.#writers;
    this.#writers = [];
    for (const release of writers) release();
  }
}
