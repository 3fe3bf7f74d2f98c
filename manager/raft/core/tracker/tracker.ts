import { type JointConfig, jointCommitted, jointString, jointVote } from '../quorum/joint.js';
import type { VoteResult } from '../quorum/majority.js';
import type { ConfState, Index, NodeId } from '../types.js';
import { Inflights } from './inflights.js';
import { Progress } from './progress.js';

/** The configuration that is applied. Learners and voters are disjoint. */
export interface TrackerConfig {
  readonly voters: JointConfig;
  /** In a joint configuration: the leader proposes to leave it as soon as it is applied. */
  readonly autoLeave: boolean;
  readonly learners: ReadonlySet<NodeId>;
  /** Voters of the outgoing half that become learners when the joint configuration is left. */
  readonly learnersNext: ReadonlySet<NodeId>;
}

/** In order of ids, which makes everything that visits all followers deterministic. */
export type ProgressMap = ReadonlyMap<NodeId, Progress>;

export interface Tally {
  readonly granted: number;
  readonly rejected: number;
  readonly result: VoteResult;
}

export const emptyConfig: TrackerConfig = {
  voters: { incoming: new Set(), outgoing: new Set() },
  autoLeave: false,
  learners: new Set(),
  learnersNext: new Set(),
};

/** The configuration, the progress of its members and the votes of the running election. */
export class ProgressTracker {
  readonly #maxInflightMsgs: number;
  readonly #maxInflightBytes: number;
  #config: TrackerConfig = emptyConfig;
  #progress: ProgressMap = new Map();
  readonly #votes = new Map<NodeId, boolean>();

  constructor(maxInflightMsgs: number, maxInflightBytes: number) {
    this.#maxInflightMsgs = maxInflightMsgs;
    this.#maxInflightBytes = maxInflightBytes;
  }

  get config(): TrackerConfig {
    return this.#config;
  }

  get progress(): ProgressMap {
    return this.#progress;
  }

  newInflights(): Inflights {
    return new Inflights(this.#maxInflightMsgs, this.#maxInflightBytes);
  }

  switchTo(config: TrackerConfig, progress: ProgressMap): void {
    this.#config = config;
    this.#progress = new Map([...progress].sort(([a], [b]) => a - b));
  }

  /** Forgets what is known of everyone: `self` has all of the log, the others are probed at its end. */
  resetProgress(self: NodeId, lastIndex: Index): void {
    const progress = new Map<NodeId, Progress>();
    for (const [id, { isLearner }] of this.#progress) {
      const match = id === self ? lastIndex : 0;
      const inflights = this.newInflights();
      progress.set(id, new Progress({ match, next: lastIndex + 1, isLearner, recentActive: false, inflights }));
    }
    this.#progress = progress;
  }

  /** The highest index that a quorum has. */
  committed(): Index {
    return jointCommitted(this.#config.voters, (id) => this.#progress.get(id)?.match);
  }

  /** Whether a quorum has answered in this election timeout. */
  quorumActive(): boolean {
    const votes = new Map<NodeId, boolean>();
    for (const [id, { isLearner, recentActive }] of this.#progress) if (!isLearner) votes.set(id, recentActive);
    return jointVote(this.#config.voters, votes) === 'VoteWon';
  }

  /** The first answer of each voter in the running election. */
  get votes(): ReadonlyMap<NodeId, boolean> {
    return this.#votes;
  }

  resetVotes(): void {
    this.#votes.clear();
  }

  /** A node's first answer counts; it cannot change its mind within a term. */
  recordVote(id: NodeId, granted: boolean): void {
    if (!this.#votes.has(id)) this.#votes.set(id, granted);
  }

  tallyVotes(): Tally {
    let granted = 0;
    let rejected = 0;
    for (const [id, { isLearner }] of this.#progress) {
      const vote = isLearner ? undefined : this.#votes.get(id);
      if (vote === true) granted++;
      if (vote === false) rejected++;
    }
    return { granted, rejected, result: jointVote(this.#config.voters, this.#votes) };
  }
}

const sorted = (ids: Iterable<NodeId>): NodeId[] => [...ids].sort((a, b) => a - b);

export function confStateOf(config: TrackerConfig): ConfState {
  return {
    voters: sorted(config.voters.incoming),
    votersOutgoing: sorted(config.voters.outgoing),
    learners: sorted(config.learners),
    learnersNext: sorted(config.learnersNext),
    autoLeave: config.autoLeave,
  };
}

export function configString(config: TrackerConfig): string {
  const set = (name: string, ids: ReadonlySet<NodeId>) => (ids.size > 0 ? ` ${name}=(${sorted(ids).join(' ')})` : '');
  return [
    `voters=${jointString(config.voters)}`,
    set('learners', config.learners),
    set('learners_next', config.learnersNext),
    config.autoLeave ? ' autoleave' : '',
  ].join('');
}

export function progressString(progress: ProgressMap): string {
  return sorted(progress.keys())
    .map((id) => `${id}: ${progress.get(id)}\n`)
    .join('');
}
