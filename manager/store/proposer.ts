/**
 * Where the store's log lives. A Proposer puts opaque payloads in one total order, makes them
 * durable, and applies each exactly once on every manager. Implementations: a single-member log on
 * disk, Raft, an external log. Nothing of theirs shows here.
 */
export interface Proposer {
  /**
   * Restores the newest snapshot and applies what follows it, then accepts proposals.
   * Call once. @throws when the log on disk is damaged: file and offset are named
   */
  start(machine: StateMachine): Promise<void>;
  /**
   * Resolves with the entry's index once it is durable and `machine.apply` has returned for it.
   * @throws UNAVAILABLE when it was not, or may not have been, committed
   */
  propose(payload: Uint8Array): Promise<number>;
  /** Resolves when every write acknowledged before the call, by any manager, has been applied here. */
  barrier(): Promise<void>;
  /** Flushes, closes files, fails waiting proposals with UNAVAILABLE. */
  stop(): Promise<void>;
}

export interface StateMachine {
  /** Called in index order, never concurrently; must not throw for a payload that was proposed. */
  apply(index: number, payload: Uint8Array): void;
  /** The state after the last applied entry, in chunks; taken lazily so that it need not block. */
  snapshot(): { readonly index: number; readonly chunks: Iterable<Uint8Array> };
  /** Replaces the whole state. */
  restore(index: number, chunks: AsyncIterable<Uint8Array>): Promise<void>;
}
