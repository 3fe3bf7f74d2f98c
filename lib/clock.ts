/** Time as a parameter: loops take a Clock, so that tests can turn it by hand. */
export interface Clock {
  /** Milliseconds since the epoch: for what people read and what is kept. It jumps when the machine's clock is set. */
  now(): number;
  /** Milliseconds since some moment in the past, which go on evenly however the machine's clock is set: for durations. */
  monotonic(): number;
  /** Runs `callback` once when `ms` have passed, and not earlier; the returned function cancels it. */
  after(ms: number, callback: () => void): () => void;
  /** Resolves after `ms`. @throws the signal's reason when aborted before */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

function sleepOn(clock: Pick<Clock, 'after'>, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** setTimeout takes what is longer for nothing. */
const LONGEST_TIMER = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, callback) {
    const dueAt = performance.now() + ms;
    let timer: NodeJS.Timeout;
    const wait = (left: number) => {
      timer = setTimeout(look, Math.min(Math.max(Math.ceil(left), 0), LONGEST_TIMER));
    };
    // Node.js counts whole milliseconds, from when the turn of its loop began: its timers may run too early.
    const look = () => {
      const left = dueAt - performance.now();
      if (left > 0) wait(left);
      else callback();
    };
    wait(ms);
    return () => clearTimeout(timer);
  },
  sleep: (ms, signal) => sleepOn(systemClock, ms, signal),
};

/** A clock that stands still until `advance` is called. */
export class ManualClock implements Clock {
  #elapsed = 0;
  /** When this clock began, as the machine's clock has it. */
  #start: number;
  #order = 0;
  readonly #timers = new Set<{ at: number; order: number; callback: () => void }>();

  constructor(start = 1_000_000) {
    this.#start = start;
  }

  now(): number {
    return this.#start + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  /** Sets the machine's clock, which timers do not notice. */
  set(now: number): void {
    this.#start = now - this.#elapsed;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.#elapsed + Math.max(0, ms), order: this.#order++, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }

  /** Moves time on and runs what is due, in order; lets promises settle between two timers. */
  async advance(ms: number): Promise<void> {
    const until = this.#elapsed + ms;
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      const due = [...this.#timers].filter((t) => t.at <= until).sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (!due) break;
      this.#timers.delete(due);
      this.#elapsed = Math.max(this.#elapsed, due.at);
      due.callback();
    }
    this.#elapsed = until;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
