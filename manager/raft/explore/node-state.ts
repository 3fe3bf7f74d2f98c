import type { JointConfig } from '../core/quorum/joint.js';
import type { Entry, Index, NodeId, RaftState, Term } from '../core/types.js';
import type { Action } from './action.js';
import type { Bounds, Cost } from './bounds.js';
import { begin, type LiveNode } from './live-node.js';
import { contentOf, entryKey } from './machine.js';

/** A log from `begin` + 1 on, what is covered by its snapshot included. */
export type LogContent = readonly string[];

/** What is to be known of a node to check it, and to go on from it. */
export interface NodeState {
  readonly node: NodeId;
  readonly term: Term;
  readonly role: RaftState;
  readonly commit: Index;
  readonly log: LogContent;
  readonly voters: JointConfig;
  readonly disk: { readonly term: Term; readonly vote: NodeId; readonly commit: Index; readonly log: LogContent };
  /** What the state machine was given. */
  readonly applied: LogContent;
  readonly free: readonly Action[];
  /** Whether what costs something can happen; for crashes, in how many ways. */
  readonly paid: Readonly<Record<Cost, number>>;
}

export function nodeStateOf(live: LiveNode): NodeState {
  const { disk, machine } = live;
  const { raft } = live.raw;
  const { log } = raft;
  const unstable = log.hasNextOrInProgressSnapshot() ? log.snapshot() : disk.snapshot();
  const stored = disk.entries(disk.firstIndex(), disk.lastIndex() + 1, Number.POSITIVE_INFINITY);
  const { term, vote, commit } = disk.initialState().hardState;
  return {
    node: live.id,
    term: raft.term,
    role: raft.state,
    commit: log.committed,
    log: [...contentOf(unstable), ...keys(log.entries(log.firstIndex(), Number.POSITIVE_INFINITY) ?? [])],
    voters: raft.tracker.config.voters,
    disk: { term, vote, commit, log: [...contentOf(disk.snapshot()), ...keys(stored)] },
    applied: machine.content,
    free: freeActions(live),
    paid: paidActions(live),
  };
}

/** Whether the state is one that is to be explored. */
export function isWithin(live: LiveNode, bounds: Bounds): boolean {
  const { raft } = live.raw;
  return (
    raft.term <= bounds.maxTerm &&
    raft.log.lastIndex() <= bounds.maxIndex &&
    live.appends.length <= bounds.pendingWrites &&
    live.acknowledgements.length <= bounds.pendingWrites
  );
}

function freeActions(live: LiveNode): readonly Action[] {
  const actions: Action[] = [];
  if (live.appends.length > 0) actions.push({ kind: 'write' });
  if (live.acknowledgements.length > 0) actions.push({ kind: 'acknowledge' });
  if (live.applies.length > 0) actions.push({ kind: 'apply' });
  if (live.raw.raft.state !== 'StateLeader' && live.raw.raft.promotable()) actions.push({ kind: 'campaign' });
  return actions;
}

function paidActions(live: LiveNode): Record<Cost, number> {
  const leads = live.raw.raft.state === 'StateLeader';
  const { index } = live.machine;
  const compactable = index > live.disk.snapshot().metadata.index && index <= live.disk.lastIndex();
  return {
    proposals: leads ? 1 : 0,
    heartbeats: leads ? 1 : 0,
    changes: leads ? 1 : 0,
    compactions: compactable ? 1 : 0,
    crashes: live.pendingWrites().length + 1,
  };
}

export function paidAction(bounds: Bounds, cost: Cost, used: number, way: number): Action {
  switch (cost) {
    case 'proposals':
      return { kind: 'propose', payload: String.fromCharCode(97 + used) };
    case 'heartbeats':
      return { kind: 'beat' };
    case 'compactions':
      return { kind: 'compact' };
    case 'crashes':
      return { kind: 'crash', writes: way };
    case 'changes': {
      const change = bounds.changes[used];
      if (!change) throw new RangeError(`no change ${used}`);
      return { kind: 'change', change };
    }
  }
}

/** The term of the entry at a place of a log. */
export function termAt(log: LogContent, at: number): Term {
  return Number.parseInt(log[at] ?? '0', 10);
}

/** How many entries of a log come before `index` and with it. */
export function lengthTo(index: Index): number {
  return Math.max(0, index - begin);
}

function keys(entries: readonly Entry[]): readonly string[] {
  return entries.map(entryKey);
}
