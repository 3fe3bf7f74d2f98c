import { type Deferred, deferred } from '../../../lib/async.js';
import type { Clock } from '../../../lib/clock.js';
import { SwarmError, unavailable } from '../../../lib/errors.js';
import type { Entry, Index, Term } from '../core/types.js';
import { FATE_TIMEOUT } from './settings.js';

interface Waiting {
  readonly term: Term;
  readonly done: Deferred<Index>;
}

/**
 * Entries that were proposed here and whose fate is not known. An index and a term name one entry:
 * when another term's entry is applied at the index, the proposal is lost for certain.
 */
export class PendingProposals {
  readonly #clock: Clock;
  readonly #waiting = new Map<Index, Waiting>();
  readonly #timers = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves with the index when that entry is applied. @throws UNAVAILABLE, UNKNOWN: see Proposer.propose */
  add(index: Index, term: Term): Promise<Index> {
    const done = deferred<Index>();
    this.#waiting.get(index)?.done.reject(lost());
    this.#waiting.set(index, { term, done });
    return done.promise;
  }

  applied({ index, term }: Pick<Entry, 'index' | 'term'>): void {
    const waiting = this.#waiting.get(index);
    if (!waiting) return;
    this.#waiting.delete(index);
    if (waiting.term === term) waiting.done.resolve(index);
    else waiting.done.reject(lost());
  }

  /** What was applied up to this index cannot be told any more. */
  replacedBy(index: Index): void {
    for (const [at, waiting] of this.#waiting) if (at <= index) this.#giveUp(at, waiting);
  }

  /**
   * This manager leads no more. A new leader may commit what is pending, so its fate is waited for a while. What is
   * proposed later, by a manager that leads again, is no part of it.
   */
  leadershipLost(): void {
    if (this.#waiting.size === 0) return;
    const open = new Map(this.#waiting);
    const cancel = this.#clock.after(FATE_TIMEOUT, () => {
      this.#timers.delete(cancel);
      for (const [index, waiting] of open) if (this.#waiting.get(index) === waiting) this.#giveUp(index, waiting);
    });
    this.#timers.add(cancel);
  }

  stop(): void {
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
    for (const [index, waiting] of this.#waiting) this.#giveUp(index, waiting);
  }

  #giveUp(index: Index, { done }: Waiting): void {
    this.#waiting.delete(index);
    done.reject(unknown());
  }
}

const lost = () => unavailable('this manager lost its leadership before the change was committed: nothing was changed');

const unknown = () =>
  new SwarmError('UNKNOWN', 'this manager lost its leadership while the change was on its way: it may have been made', {
    hint: 'Look at the object again before you repeat the command.',
  });
