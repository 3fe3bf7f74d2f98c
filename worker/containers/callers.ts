import { type Deferred, deferred } from '../../lib/async.js';

export interface EndOfRun {
  readonly code: number;
  readonly error: string;
}

/** Those who have asked for a start of one container, and those who wait for its end. Each is answered once. */
export class Callers {
  readonly #starts = new Set<Deferred<void>>();
  readonly #ends = new Set<Deferred<EndOfRun>>();

  get wantStart(): boolean {
    return this.#starts.size > 0;
  }

  /** @returns to be waited for: its start, or why it cannot be */
  start(): Promise<void> {
    const start = deferred<void>();
    this.#starts.add(start);
    return start.promise;
  }

  started(): void {
    for (const start of this.#starts) start.resolve();
    this.#starts.clear();
  }

  notStarted(error: unknown): void {
    for (const start of this.#starts) start.reject(error);
    this.#starts.clear();
  }

  /** @throws the signal's reason, and waits no more then */
  async end(signal?: AbortSignal): Promise<EndOfRun> {
    signal?.throwIfAborted();
    const end = deferred<EndOfRun>();
    const forget = () => end.reject(signal?.reason);
    signal?.addEventListener('abort', forget, { once: true });
    this.#ends.add(end);
    try {
      return await end.promise;
    } finally {
      signal?.removeEventListener('abort', forget);
      this.#ends.delete(end);
    }
  }

  ended(end: EndOfRun): void {
    for (const waiting of this.#ends) waiting.resolve(end);
  }
}
