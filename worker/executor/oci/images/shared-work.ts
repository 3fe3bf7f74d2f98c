/** Work that several callers ask for at the same time is done once; it is aborted when all of them are. */
export class SharedWork<T> {
  readonly #running = new Map<
    string,
    { readonly result: Promise<T>; callers: number; readonly abort: AbortController }
  >();

  /** @throws what `work` throws, or the signal's reason when it aborts first */
  async run(key: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    let shared = this.#running.get(key);
    if (!shared) {
      const abort = new AbortController();
      const result = work(abort.signal).finally(() => {
        if (this.#running.get(key)?.abort === abort) this.#running.delete(key);
      });
      shared = { result, callers: 0, abort };
      this.#running.set(key, shared);
    }
    const { result, abort } = shared;
    const entry = shared;
    entry.callers++;
    return new Promise<T>((resolve, reject) => {
      const leave = () => {
        reject(signal.reason);
        if (--entry.callers > 0) return;
        // Who comes now starts anew instead of joining what is being aborted.
        this.#running.delete(key);
        abort.abort(signal.reason);
      };
      signal.addEventListener('abort', leave, { once: true });
      result.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
    });
  }
}
