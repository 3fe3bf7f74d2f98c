/** Tells one waiting loop that there is something to look at. Any number of notices before the wait are one. */
export class Wake {
  #set = false;
  #resume: (() => void) | undefined;

  notify(): void {
    this.#set = true;
    this.#resume?.();
  }

  /** Resolves at the next notice, at once when there was one since the last wait, and when the signal aborts. */
  async wait(signal: AbortSignal): Promise<void> {
    if (!this.#set && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const resume = () => {
          signal.removeEventListener('abort', resume);
          this.#resume = undefined;
          resolve();
        };
        this.#resume = resume;
        signal.addEventListener('abort', resume, { once: true });
      });
    }
    this.#set = false;
  }
}
