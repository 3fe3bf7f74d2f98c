import type { Raft } from './raft.js';
import type { ProgressState } from './tracker/progress.js';
import type { TrackerConfig } from './tracker/tracker.js';
import type { HardState, Index, NodeId, SoftState } from './types.js';

/** What the leader knows of one member, at the time it was asked. */
export interface ProgressStatus {
  readonly match: Index;
  readonly next: Index;
  readonly state: ProgressState;
  readonly isLearner: boolean;
  /** Whether it answered in this election timeout. */
  readonly recentActive: boolean;
  /** 0 unless a snapshot was sent and is not confirmed. */
  readonly pendingSnapshot: Index;
  /** Messages on their way to it. */
  readonly inflight: number;
  /** For people. */
  readonly text: string;
}

export interface Status extends SoftState {
  readonly id: NodeId;
  readonly hardState: HardState;
  readonly applied: Index;
  /** None unless a transfer of leadership is under way. */
  readonly leadTransferee: NodeId;
  readonly config: TrackerConfig;
  /** Empty unless this node leads. */
  readonly progress: ReadonlyMap<NodeId, ProgressStatus>;
}

export function statusOf(r: Raft): Status {
  const progress = new Map<NodeId, ProgressStatus>();
  if (r.state === 'StateLeader') {
    for (const [id, p] of r.tracker.progress) {
      const { match, next, state, isLearner, recentActive, pendingSnapshot } = p;
      const inflight = p.inflights.count;
      progress.set(id, { match, next, state, isLearner, recentActive, pendingSnapshot, inflight, text: String(p) });
    }
  }
  return {
    id: r.id,
    ...r.softState,
    hardState: r.hardState,
    applied: r.log.applied,
    leadTransferee: r.leadTransferee,
    config: r.tracker.config,
    progress,
  };
}
