/** What runs until it is told to end. */
export interface Runnable {
  /** Resolves when the signal aborts. @throws when it breaks */
  run(signal: AbortSignal): Promise<void>;
}

/** A part of the node at work. */
export class Running<T extends Runnable> {
  readonly part: T;
  readonly #controller = new AbortController();
  readonly #done: Promise<void>;

  /** @param onBroken called when it breaks, or ends without having been told to */
  constructor(part: T, onBroken: (error: unknown) => void) {
    this.part = part;
    const { signal } = this.#controller;
    this.#done = part.run(signal).then(
      () => {
        if (!signal.aborted) onBroken(new Error('it ended by itself'));
      },
      (error: unknown) => {
        if (!signal.aborted) onBroken(error);
      },
    );
  }

  /** Resolves when it has ended. */
  stop(): Promise<void> {
    this.#controller.abort();
    return this.#done;
  }
}
