/**
 * What Raft promises: figure 3 of the Raft paper, and what durability and linearizable reads demand.
 *
 * - election safety: at most one leader in a term.
 * - leader append-only: a leader never changes or cuts its own log.
 * - log matching: entries with the same index and term are the same, and so is all before them.
 * - leader completeness: a leader has all that was committed in earlier terms.
 * - state machine safety: all nodes apply the same entries in the same order, and only committed ones.
 * - commit order: a leader is the first to know that an entry is committed.
 * - durable commit: what is committed is on the disks of a quorum, and none of them ever loses it.
 * - durable promise: a vote or an acknowledgement leaves a node only when a crash cannot undo it.
 * - one vote: a node votes once in a term, and neither its term nor its vote ever goes back.
 * - linearizable read: a read sees all that was committed when it was asked for.
 * - progress: without faults the group comes to agree.
 */
export type Invariant =
  | 'election safety'
  | 'leader append-only'
  | 'log matching'
  | 'leader completeness'
  | 'state machine safety'
  | 'commit order'
  | 'durable commit'
  | 'durable promise'
  | 'one vote'
  | 'linearizable read'
  | 'progress';

/** A promise of Raft was broken. */
export class Violation extends Error {
  override readonly name = 'Violation';
  readonly invariant: Invariant;

  constructor(invariant: Invariant, what: string) {
    super(`${invariant}: ${what}`);
    this.invariant = invariant;
  }
}
