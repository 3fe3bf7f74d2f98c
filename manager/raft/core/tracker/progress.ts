import { InvariantError } from '../errors.js';
import type { Index } from '../types.js';
import type { Inflights } from './inflights.js';

/**
 * How the leader treats a follower.
 *
 * - StateProbe: where the logs agree is not known; one message at a time finds out.
 * - StateReplicate: it is known; messages are pipelined within the limits of Inflights.
 * - StateSnapshot: the follower needs entries that are compacted; nothing but the snapshot is sent.
 */
export type ProgressState = 'StateProbe' | 'StateReplicate' | 'StateSnapshot';

/**
 * What the leader knows of one follower. Invariant: match < next; in StateReplicate the entries in
 * (match, next) are in flight.
 */
export class Progress {
  /** The log is known to agree up to here. */
  match: Index;
  /** The next entry to send. */
  next: Index;
  state: ProgressState = 'StateProbe';
  /** In StateSnapshot: the index of the snapshot that was sent. Else 0. */
  pendingSnapshot: Index = 0;
  /** Whether it answered anything in this election timeout. */
  recentActive: boolean;
  /** A probe is out, or the window is full: wait for an answer, at the latest to a heartbeat. */
  msgAppFlowPaused = false;
  isLearner: boolean;
  readonly inflights: Inflights;
  /** The highest commit index that was sent. Saves empty messages that would tell nothing new. */
  #sentCommit: Index = 0;

  constructor(fields: Pick<Progress, 'match' | 'next' | 'isLearner' | 'recentActive' | 'inflights'>) {
    this.match = fields.match;
    this.next = fields.next;
    this.isLearner = fields.isLearner;
    this.recentActive = fields.recentActive;
    this.inflights = fields.inflights;
  }

  /** A copy that can change role; the window of messages in flight stays shared. */
  clone(): Progress {
    const copy = new Progress(this);
    copy.state = this.state;
    copy.pendingSnapshot = this.pendingSnapshot;
    copy.msgAppFlowPaused = this.msgAppFlowPaused;
    copy.#sentCommit = this.#sentCommit;
    return copy;
  }

  becomeProbe(): void {
    // A follower that took the snapshot needs what follows it; match may not tell that yet.
    const afterSnapshot = this.state === 'StateSnapshot' ? this.pendingSnapshot + 1 : 0;
    this.#reset('StateProbe');
    this.next = Math.max(this.match + 1, afterSnapshot);
    this.#regressSentCommit();
  }

  becomeReplicate(): void {
    this.#reset('StateReplicate');
    this.next = this.match + 1;
  }

  becomeSnapshot(index: Index): void {
    this.#reset('StateSnapshot');
    this.pendingSnapshot = index;
    this.next = index + 1;
    this.#sentCommit = index;
  }

  /** A MsgApp with `count` entries of `bytes` payload, from `next` on, was sent. */
  sentEntries(count: number, bytes: number): void {
    switch (this.state) {
      case 'StateReplicate':
        if (count > 0) {
          this.next += count;
          this.inflights.add(this.next - 1, bytes);
        }
        // With a full window an empty message is a probe: one until there is an answer.
        this.msgAppFlowPaused = this.inflights.full;
        break;
      case 'StateProbe':
        if (count > 0) this.msgAppFlowPaused = true;
        break;
      case 'StateSnapshot':
        throw new InvariantError('sending append in StateSnapshot');
    }
  }

  sentCommit(index: Index): void {
    this.#sentCommit = index;
  }

  /** Whether telling this commit index could move the follower's: not past the entries it was sent. */
  canBumpCommit(index: Index): boolean {
    return index > this.#sentCommit && this.#sentCommit < this.next - 1;
  }

  /** The follower has the leader's log up to `index`. False when that was known already. */
  maybeUpdate(index: Index): boolean {
    if (index <= this.match) return false;
    this.match = index;
    this.next = Math.max(this.next, index + 1);
    this.msgAppFlowPaused = false;
    return true;
  }

  /**
   * The follower rejected a MsgApp that began after `rejected`; its log may agree up to `hint`.
   * False when the rejection is stale: reordered, duplicated, or of an older probe.
   */
  maybeDecrTo(rejected: Index, hint: Index): boolean {
    if (this.state === 'StateReplicate') {
      if (rejected <= this.match) return false;
      this.next = this.match + 1;
      this.#regressSentCommit();
      return true;
    }
    // One probe at a time is out: an answer to another index is not to that probe.
    if (this.next - 1 !== rejected) return false;
    this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1);
    this.#regressSentCommit();
    this.msgAppFlowPaused = false;
    return true;
  }

  /** The highest commit index that was sent, as far as it counts. */
  get sentCommitIndex(): Index {
    return this.#sentCommit;
  }

  get paused(): boolean {
    return this.state === 'StateSnapshot' || this.msgAppFlowPaused;
  }

  toString(): string {
    const count = this.inflights.count;
    return [
      `${this.state} match=${this.match} next=${this.next}`,
      this.isLearner ? ' learner' : '',
      this.paused ? ' paused' : '',
      this.pendingSnapshot > 0 ? ` pendingSnap=${this.pendingSnapshot}` : '',
      this.recentActive ? '' : ' inactive',
      count > 0 ? ` inflight=${count}` : '',
      count > 0 && this.inflights.full ? '[full]' : '',
    ].join('');
  }

  #reset(state: ProgressState): void {
    this.msgAppFlowPaused = false;
    this.pendingSnapshot = 0;
    this.state = state;
    this.inflights.reset();
  }

  /** What was sent past next - 1 was probably lost with the entries it came with. */
  #regressSentCommit(): void {
    this.#sentCommit = Math.min(this.#sentCommit, this.next - 1);
  }
}
