/** Runs functions one after another, in the order of the calls. A failure is its caller's alone. */
export class Serial {
  #tail: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T> | T): Promise<T> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => undefined);
    return result;
  }
}

/** An unbounded queue that is read with `for await`. `end` lets the reader finish what is queued. */
export class AsyncQueue<T> implements AsyncIterable<T> {
  #items: T[] = [];
  #wake: (() => void) | undefined;
  #ended = false;
  #error: unknown;

  get length(): number {
    return this.#items.length;
  }

  push(...items: T[]): void {
    if (this.#ended) return;
    this.#items.push(...items);
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** The reader gets what is queued, then this error. */
  fail(error: unknown): void {
    this.#error = error;
    this.end();
  }

  /** All that is queued now, without waiting. */
  drain(): T[] {
    return this.#items.splice(0);
  }

  /** Resolves to true when something is queued, to false at the end. @throws what `fail` was given */
  async ready(): Promise<boolean> {
    while (this.#items.length === 0) {
      if (this.#ended) {
        if (this.#error !== undefined) throw this.#error;
        return false;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
    return true;
  }

  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    while (await this.ready()) yield this.#items.shift() as T;
  }
}

/** A promise with its handles. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}

export function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((res, rej) => {
    resolve = res;
    reject = rej;
  });
  return { promise, resolve, reject };
}

/** What a source gives until the signal aborts; what it is then asked for is dropped when it comes. */
export async function* takeUntil<T>(source: AsyncIterator<T>, signal: AbortSignal): AsyncGenerator<T> {
  let stop: () => void = () => {};
  const stopped = () => stop();
  signal.addEventListener('abort', stopped, { once: true });
  try {
    while (!signal.aborted) {
      const next = await new Promise<IteratorResult<T> | undefined>((resolve, reject) => {
        stop = () => resolve(undefined);
        source.next().then(resolve, reject);
      });
      if (next === undefined || next.done) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener('abort', stopped);
  }
}

/** As Promise.all, but when one fails the others are waited for too. @throws the first error, in the list's order */
export async function allDone<T>(work: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(work);
  return Promise.all(work);
}

/** Gives the event loop a turn; long synchronous work calls it between slices. */
export function yieldToLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
