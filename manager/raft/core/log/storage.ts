import type { ConfState, Entry, HardState, Index, Snapshot, Term } from '../types.js';

/**
 * What is durable on this node, read back synchronously. The entries (and thus firstIndex to
 * lastIndex) must be in memory or answered without waiting. Only whoever handles Ready writes to it.
 *
 * An error other than those named is taken to mean that the node cannot go on.
 */
export interface Storage {
  /** What was saved when this node last ran; zeros on its first start. */
  initialState(): { readonly hardState: HardState; readonly confState: ConfState };
  /**
   * Entries in [lo, hi), cut to at most `maxSize` bytes but at least one.
   * @throws RaftError (compacted) when lo is before firstIndex, (unavailable) when hi is past the end
   */
  entries(lo: Index, hi: Index, maxSize: number): readonly Entry[];
  /** The term of an entry in [firstIndex - 1, lastIndex]: that of the last compacted entry is kept. */
  term(index: Index): Term;
  lastIndex(): Index;
  /** The first index whose entry is kept; those before it are covered by the snapshot. */
  firstIndex(): Index;
  /**
   * The snapshot for a follower that needs entries which are compacted. It must not be older than the
   * last change of configuration that was applied: a new member refuses one that does not name it.
   * @throws RaftError (snapshot-temporarily-unavailable) to be asked again with the next heartbeat
   */
  snapshot(): Snapshot;
}
