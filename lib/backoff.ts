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
