import type { Index, NodeId } from '../core/types.js';

/** A member of the group of managers, as this manager knows it. */
export interface GroupMember {
  readonly raftId: NodeId;
  /** False for a learner: it is sent the log and has no vote yet. */
  readonly voter: boolean;
  readonly leader: boolean;
  /** Whether it answered lately; a new leader takes all for reachable at first. On a follower: whether it is connected. */
  readonly reachable: boolean;
  /** Whether it has answered since this manager leads, and lately: what may be relied on. Known on the leader only. */
  readonly answered: boolean;
  /** Whether it has all but the last of what the leader has: known on the leader only. */
  readonly caughtUp: boolean;
  /** host:port that this manager reaches it at. */
  readonly address: string | undefined;
}

/** The group that replicates the log: who is in it, and how that changes. */
export interface Group {
  readonly self: NodeId;
  members(): readonly GroupMember[];
  /** Each a single change, which needs no joint configuration. Resolves when it is in force here. @throws UNAVAILABLE, UNKNOWN, ABORTED */
  addLearner(raftId: NodeId): Promise<void>;
  promote(raftId: NodeId): Promise<void>;
  remove(raftId: NodeId): Promise<void>;
  /** Resolves when another one leads. @throws UNAVAILABLE when nobody takes over in time */
  transferLeadership(to?: NodeId): Promise<void>;
  /** The last index that is applied here. */
  readonly applied: Index;
}
