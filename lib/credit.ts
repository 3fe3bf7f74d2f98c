/** How many more messages one side may send before the other one has taken some. */
export class Credit {
  #left: number;
  #wake: (() => void) | undefined;

  constructor(left: number) {
    this.#left = left;
  }

  give(more: number): void {
    this.#left += more;
    this.#wake?.();
  }

  /** For one sender: resolves to true when there was some, to false when the signal aborted before. */
  async take(signal: AbortSignal): Promise<boolean> {
    while (this.#left === 0 && !signal.aborted) await this.#change(signal);
    if (signal.aborted) return false;
    this.#left--;
    return true;
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        signal.removeEventListener('abort', end);
        this.#wake = undefined;
        resolve();
      };
      signal.addEventListener('abort', end, { once: true });
      this.#wake = end;
    });
  }
}
