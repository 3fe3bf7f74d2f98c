import { type Deferred, deferred, yieldToLoop } from '../../lib/async.js';
import { resourceExhausted, unavailable } from '../../lib/errors.js';
import { type StoreChange, StoreTransaction } from '../../proto/gen/index.js';
import type { Draft, Savepoint } from './draft.js';
import { MAX_BYTES, MAX_CHANGES, type WriteView } from './store.js';

interface Job {
  readonly change: (draft: WriteView) => unknown;
  readonly changeId: string;
  readonly done: Deferred<unknown>;
}

/** What one call of an operator has written in one transaction. */
export interface Written {
  readonly changeId: string;
  readonly changes: readonly StoreChange[];
}

/** Changes in an entry that take milliseconds to apply. */
const LARGE = 50;

/**
 * The one writer. Transactions run in the order of submission; those that wait while an entry is
 * being committed go together into the next one (group commit), so that the rate of writes is not
 * bound to the time of one fsync. Each is still all or nothing: one that throws is taken back out of
 * the draft that it shares.
 */
export class Writer {
  readonly #newDraft: () => Draft;
  readonly #propose: (payload: Uint8Array) => Promise<unknown>;
  readonly #confirm: () => Promise<void>;
  readonly #onWritten: (written: Written) => void;
  readonly #waiting: Job[] = [];
  #running: Promise<void> | undefined;
  /** Set when a large entry was applied: the next group is not drafted in the same turn of the event loop. */
  #rest: Promise<void> | undefined;
  #stopped = false;

  /**
   * @param options.draft a draft of the newest applied state
   * @param options.confirm resolves when that state is no older than the call
   * @param options.onWritten told of each transaction of an operator's call that is committed
   */
  constructor(options: {
    draft: () => Draft;
    propose: (payload: Uint8Array) => Promise<unknown>;
    confirm: () => Promise<void>;
    onWritten: (written: Written) => void;
  }) {
    this.#newDraft = options.draft;
    this.#propose = options.propose;
    this.#confirm = options.confirm;
    this.#onWritten = options.onWritten;
  }

  async submit<T>(change: (draft: WriteView) => T, changeId = ''): Promise<T> {
    if (this.#stopped) throw stopping();
    const done = deferred<unknown>();
    this.#waiting.push({ change, changeId, done });
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
    while (this.#waiting.length > 0) {
      if (this.#rest) {
        await this.#rest;
        this.#rest = undefined;
      } else {
        await this.#commitGroup();
      }
    }
    this.#running = undefined;
  }

  async #commitGroup(): Promise<void> {
    const draft = this.#newDraft();
    const settle: (() => void)[] = [];
    const jobs: Job[] = [];
    while (draft.changes.length < MAX_CHANGES && draft.bytes < MAX_BYTES) {
      const job = this.#waiting.shift();
      if (!job) break;
      jobs.push(job);
      const before = draft.savepoint();
      draft.changeId = job.changeId;
      try {
        const value = job.change(draft);
        checkLimits(draft, before);
        if (job.changeId !== '' && draft.changes.length > before.changes) {
          const written = { changeId: job.changeId, changes: draft.changes.slice(before.changes) };
          settle.push(() => this.#onWritten(written));
        }
        settle.push(() => job.done.resolve(value));
      } catch (error) {
        draft.rollback(before);
        settle.push(() => job.done.reject(error));
      }
    }
    try {
      const { changes, now } = draft;
      if (changes.length > 0) await this.#propose(StoreTransaction.encode({ changes, time: now }));
      else await this.#confirmState(draft.version);
    } catch (error) {
      for (const { done } of jobs) done.reject(error);
      return;
    }
    if (draft.changes.length >= LARGE) this.#rest = yieldToLoop();
    for (const answer of settle) answer();
  }

  /** A refusal, too, is an answer about the newest state: a manager that was deposed must not give one. */
  async #confirmState(version: number): Promise<void> {
    await this.#confirm();
    if (this.#newDraft().version === version) return;
    throw unavailable('the state has changed while it was looked at: nothing was done');
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
