import type { DistributionCounts } from '../../../lib/distribution.js';

/** What a member of a group knows of itself in numbers; all 0 before its log is open. */
export interface RaftFigures {
  readonly term: number;
  readonly committed: number;
  readonly applied: number;
  readonly voters: number;
  /** Seconds from a proposal to its effect on this manager's state; of this manager, while it leads. */
  readonly proposals: DistributionCounts;
}
