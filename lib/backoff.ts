import { type Clock, systemClock } from './clock.js';

export interface BackoffOptions {
  /** Milliseconds before the second try. */
  readonly initial: number;
  /** Milliseconds that no delay exceeds. */
  readonly max: number;
  /** Growth per try; 2 when left out. */
  readonly factor?: number;
  /** In [0, 1): part of each delay that is random; 0.3 when left out. */
  readonly jitter?: number;
  readonly random?: () => number;
}

/** Exponential back-off with jitter; `reset` after a success. */
export class Backoff {
  #tries = 0;
  readonly #options: BackoffOptions;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** Milliseconds to wait before the next try. */
  next(): number {
    const { initial, max, factor = 2, jitter = 0.3, random = Math.random } = this.#options;
    const delay = Math.min(max, initial * factor ** this.#tries);
    this.#tries++;
    return delay * (1 - jitter + jitter * random());
  }

  reset(): void {
    this.#tries = 0;
  }
}

/**
 * Calls `attempt` until it succeeds, `retryable` says no, or the signal aborts.
 * @throws the last error, or the signal's reason
 */
export async function retry<T>(
  attempt: () => Promise<T>,
  options: BackoffOptions & {
    readonly retryable: (error: unknown) => boolean;
    readonly signal?: AbortSignal;
    readonly clock?: Clock;
  },
): Promise<T> {
  const backoff = new Backoff(options);
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!options.retryable(error)) throw error;
      await (options.clock ?? systemClock).sleep(backoff.next(), options.signal);
    }
  }
}
