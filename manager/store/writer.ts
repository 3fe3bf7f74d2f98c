import { type Deferred, deferred } from '../../lib/async.js';
import { resourceExhausted, unavailable } from '../../lib/errors.js';
import { StoreTransaction } from '../../proto/gen/index.js';
import type { Draft, Savepoint } from './draft.js';
import { MAX_BYTES, MAX_CHANGES, type WriteView } from './store.js';

interface Job {
  readonly change: (draft: WriteView) => unknown;
  readonly done: Deferred<unknown>;
}

/**
 * The one writer. Transactions run in the order of submission; those that wait while an entry is
 * being committed go together into the next one (group commit), so that the rate of writes is not
 * bound to the time of one fsync. Each is still all or nothing: one that throws is taken back out of
 * the draft that it shares.
 */
export class Writer {
  readonly #newDraft: () => Draft;
  readonly #propose: (payload: Uint8Array) => Promise<unknown>;
  readonly #waiting: Job[] = [];
  #running: Promise<void> | undefined;
  #stopped = false;

  /** @param options.draft a draft of the newest applied state */
  constructor(options: { draft: () => Draft; propose: (payload: Uint8Array) => Promise<unknown> }) {
    this.#newDraft = options.draft;
    this.#propose = options.propose;
  }

  async submit<T>(change: (draft: WriteView) => T): Promise<T> {
    if (this.#stopped) throw stopping();
    const done = deferred<unknown>();
    this.#waiting.push({ change, done });
    this.#running ??= this.#run();
    return (await done.promise) as T;
  }

  /** Lets the entry that is being committed finish; what waits behind it fails with UNAVAILABLE. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const { done } of this.#waiting.splice(0)) done.reject(stopping());
    await this.#running;
  }

  async #run(): Promise<void> {
    // Everything that is submitted in this turn of the event loop shares the first entry.
    await Promise.resolve();
    while (this.#waiting.length > 0) await this.#commitGroup();
    this.#running = undefined;
  }

  async #commitGroup(): Promise<void> {
    const draft = this.#newDraft();
    const results: { readonly job: Job; readonly value: unknown }[] = [];
    while (draft.changes.length < MAX_CHANGES && draft.bytes < MAX_BYTES) {
      const job = this.#waiting.shift();
      if (!job) break;
      const before = draft.savepoint();
      try {
        const value = job.change(draft);
        checkLimits(draft, before);
        results.push({ job, value });
      } catch (error) {
        draft.rollback(before);
        job.done.reject(error);
      }
    }
    try {
      if (draft.changes.length > 0) await this.#propose(StoreTransaction.encode({ changes: draft.changes }));
    } catch (error) {
      for (const { job } of results) job.done.reject(error);
      return;
    }
    for (const { job, value } of results) job.done.resolve(value);
  }
}

/** The limits are one transaction's own: with others in its entry, that may come to twice as much. */
function checkLimits(draft: Draft, before: Savepoint): void {
  const changes = draft.changes.length - before.changes;
  const bytes = draft.bytes - before.bytes;
  if (changes <= MAX_CHANGES && bytes <= MAX_BYTES) return;
  throw resourceExhausted(
    `a transaction of ${changes} changes in ${bytes} bytes is too large: ` +
      `the limits are ${MAX_CHANGES} changes and ${MAX_BYTES} bytes`,
  );
}

const stopping = () => unavailable('this manager is stopping');
