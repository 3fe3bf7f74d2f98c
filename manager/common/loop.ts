import { Backoff } from '../../lib/backoff.js';
import type { Clock } from '../../lib/clock.js';
import { codeOf, type ErrorCode, messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import type { Commit, Kind, ReadView, Store } from '../store/store.js';

/** What every control loop is made with. */
export interface LoopOptions {
  readonly store: Store;
  readonly log: Logger;
  readonly clock: Clock;
  /** In [0, 1); Math.random when left out. */
  readonly random?: () => number;
  /** Of what the loop makes; ids of lib/ids.ts when left out. */
  readonly newId?: () => string;
}

/** How one loop reacts to the store. */
export interface Reaction {
  readonly kinds: readonly Kind[];
  /** Takes the state as it is, forgetting all that was known before. */
  start(view: ReadView): void;
  /** Folds a commit into what is to be done; synchronous, in commit order. */
  observe(commit: Commit): void;
  /** Does what is to be done. Never called while an earlier call is running. */
  act(): Promise<void>;
}

/** The store cannot commit now, or has cut off a watcher that did not keep up: a new snapshot mends both. */
const TRANSIENT: ReadonlySet<ErrorCode> = new Set(['UNAVAILABLE', 'UNKNOWN', 'ABORTED', 'RESOURCE_EXHAUSTED']);

/**
 * Drives a Reaction: acts at once on the first change, and folds what arrives while it acts into the
 * next action. A transaction in flight is thereby the only debounce: idle loops react without a
 * delay, busy ones work in batches.
 */
export class ControlLoop {
  readonly #options: LoopOptions;
  #due = false;
  #wakeUp: () => void = () => {};

  constructor(options: LoopOptions) {
    this.#options = options;
  }

  /** Makes the loop act although nothing has changed in the store: a timer has run out. */
  wake(): void {
    this.#due = true;
    this.#wakeUp();
  }

  /**
   * Resolves when the signal aborts. When the store cannot commit for a while, begins again from
   * a new snapshot. @throws any other error: it is a bug, and going on would hide it
   */
  async run(signal: AbortSignal, reaction: Reaction): Promise<void> {
    const { clock, log, random } = this.#options;
    const backoff = new Backoff({ initial: 50, max: 5_000, ...(random ? { random } : {}) });
    while (!signal.aborted) {
      try {
        await this.#attempt(signal, reaction, backoff);
      } catch (error) {
        if (signal.aborted) return;
        if (!TRANSIENT.has(codeOf(error))) throw error;
        log.warn({ err: error }, `beginning again from the store's state: ${messageOf(error)}`);
        await clock.sleep(backoff.next(), signal).catch(() => undefined);
      }
    }
  }

  async #attempt(signal: AbortSignal, reaction: Reaction, backoff: Backoff): Promise<void> {
    const attempt = new AbortController();
    const end = () => {
      attempt.abort(signal.reason);
      this.#wakeUp();
    };
    signal.addEventListener('abort', end, { once: true });
    try {
      const watch = this.#options.store.watch(attempt.signal, reaction.kinds);
      reaction.start(watch.snapshot);
      this.#due = true;
      const stop = () => {
        attempt.abort();
        this.#wakeUp();
      };
      const ends = await Promise.allSettled([
        this.#pump(watch.commits, reaction).finally(stop),
        this.#work(attempt.signal, reaction, backoff).finally(stop),
      ]);
      const failed = ends.find((end) => end.status === 'rejected');
      if (failed) throw failed.reason;
    } finally {
      signal.removeEventListener('abort', end);
    }
  }

  async #pump(commits: AsyncIterable<Commit>, reaction: Reaction): Promise<void> {
    for await (const commit of commits) {
      reaction.observe(commit);
      this.wake();
    }
  }

  async #work(signal: AbortSignal, reaction: Reaction, backoff: Backoff): Promise<void> {
    while (!signal.aborted) {
      if (!this.#due) {
        await new Promise<void>((resolve) => {
          this.#wakeUp = resolve;
        });
        continue;
      }
      this.#due = false;
      await reaction.act();
      backoff.reset();
    }
  }
}
