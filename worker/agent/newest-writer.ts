/** Writes values one at a time. Of those that come while one is being written only the newest is. */
export class NewestWriter<T> {
  readonly #write: (value: T) => Promise<void>;
  #waiting: { readonly value: T } | undefined;
  #running: Promise<void> | undefined;

  constructor(write: (value: T) => Promise<void>) {
    this.#write = write;
  }

  /** Resolves when this value, or a newer one, is written. @throws what `write` throws */
  put(value: T): Promise<void> {
    this.#waiting = { value };
    this.#running ??= this.#run();
    return this.#running;
  }

  /** Resolves when nothing is being written. @throws what `write` throws */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      for (let next = this.#waiting; next; next = this.#waiting) {
        this.#waiting = undefined;
        await this.#write(next.value);
      }
    } finally {
      // In the step in which nothing waits any more: what comes in the next one begins anew.
      this.#running = undefined;
    }
  }
}
