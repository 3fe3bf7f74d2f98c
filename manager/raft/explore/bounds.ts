import type { Config } from '../core/config.js';
import type { ConfChangeV2, Index, NodeId, Term } from '../core/types.js';
import { type Environment, soundEnvironment } from './environment.js';

/** What is explored: a group, what may happen to it, and how far. */
export interface Bounds {
  readonly nodes: readonly NodeId[];
  /** The voters to begin with; other nodes begin with nothing. */
  readonly voters: readonly NodeId[];
  readonly config: Partial<Config>;
  /** Terms are counted from 1, in which nobody leads. */
  readonly maxTerm: Term;
  readonly maxIndex: Index;
  readonly proposals: number;
  readonly crashes: number;
  readonly compactions: number;
  /** Rounds of them, by any leader. */
  readonly heartbeats: number;
  /** Proposed in this order, each once. */
  readonly changes: readonly ConfChangeV2[];
  /** Writes that a node has asked for and are not done, where storage is asynchronous. */
  readonly pendingWrites: number;
  readonly acknowledgesLater: boolean;
  readonly environment: Environment;
  readonly maxStates: number;
}

/** Three voters, two terms with a leader, one crash, writes done at any later time. */
export const defaultBounds: Bounds = {
  nodes: [1, 2, 3],
  voters: [1, 2, 3],
  config: { asyncStorageWrites: true },
  maxTerm: 3,
  maxIndex: 6,
  proposals: 1,
  crashes: 1,
  compactions: 0,
  heartbeats: 0,
  changes: [],
  pendingWrites: 2,
  acknowledgesLater: false,
  environment: soundEnvironment,
  maxStates: 1_000_000,
};

/** What happens a bounded number of times in all, and not freely. */
export const costs = ['proposals', 'heartbeats', 'changes', 'compactions', 'crashes'] as const;
export type Cost = (typeof costs)[number];

export function limitOf(bounds: Bounds, cost: Cost): number {
  return cost === 'changes' ? bounds.changes.length : bounds[cost];
}
