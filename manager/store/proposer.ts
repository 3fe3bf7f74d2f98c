/**
 * Where the store's log lives. A Proposer puts opaque payloads in one total order, makes them
 * durable, and applies each exactly once on every manager. Implementations: Raft, an external log,
 * and one in memory for tests. Nothing of theirs shows here.
 */
export interface Proposer {
  /**
   * Restores the newest snapshot, then applies what follows it as it becomes known to be committed.
   * Call once. @throws when the log on disk is damaged: file and offset are named
   */
  start(machine: StateMachine): Promise<void>;
  /**
   * Resolves with the entry's index once it is durable and `machine.apply` has returned for it. One
   * proposal at a time: the payload is a change of the newest applied state, and two at once would not be.
   * @throws UNAVAILABLE when it was not committed and never will be: it may be proposed again
   * @throws UNKNOWN when this manager stopped leading before it could tell
   */
  propose(payload: Uint8Array): Promise<number>;
  /**
   * Resolves when every write acknowledged before the call, by any manager, has been applied here.
   * @throws UNAVAILABLE when no quorum of managers confirms that in time
   */
  barrier(): Promise<void>;
  /** Who may write now, as far as this manager knows. */
  standing(): Standing;
  /** Calls `listener` at each change of the standing until the returned function is called. */
  onStanding(listener: (standing: Standing) => void): () => void;
  /** Hands leadership over if there is anyone to take it, flushes, closes files, fails waiting proposals. */
  stop(): Promise<void>;
}

export interface Standing {
  /** Proposals are taken here, and everything that was committed before is applied here. */
  readonly leading: boolean;
  /** host:port of the manager that leads; undefined when none is known. */
  readonly leader: string | undefined;
}

export interface StateMachine {
  /** Called in index order, never concurrently; must not throw for a payload that was proposed. */
  apply(index: number, payload: Uint8Array): void;
  /** The state after the last applied entry, in chunks; taken lazily so that it need not block. */
  snapshot(): { readonly chunks: Iterable<Uint8Array> };
  /** Replaces the whole state. Nothing is applied meanwhile. */
  restore(index: number, chunks: AsyncIterable<Uint8Array>): Promise<void>;
}
