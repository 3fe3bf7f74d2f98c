import type { Message } from '../../../proto/gen/raft.js';
import { InvariantError } from './errors.js';

export {
  ConfChange,
  ConfChangeSingle,
  ConfChangeTransition,
  ConfChangeTransitionName,
  ConfChangeType,
  ConfChangeTypeName,
  ConfChangeV2,
  ConfState,
  Entry,
  EntryType,
  EntryTypeName,
  HardState,
  Message,
  MsgType,
  MsgTypeName,
  Snapshot,
  SnapshotMetadata,
} from '../../../proto/gen/raft.js';

/** A member of the group: a positive safe integer that is never used again once removed. */
export type NodeId = number;
/** A log position, from 1. */
export type Index = number;
/** A Raft term, from 1. */
export type Term = number;

/** No node: no leader, no vote. */
export const None: NodeId = 0;
/** The addressee of MsgStorageAppend: whoever makes entries, hard state and snapshots durable. */
export const LocalAppendThread: NodeId = Number.MAX_SAFE_INTEGER;
/** The addressee of MsgStorageApply: whoever applies committed entries to the state machine. */
export const LocalApplyThread: NodeId = Number.MAX_SAFE_INTEGER - 1;

export function isLocalTarget(id: NodeId): boolean {
  return id === LocalAppendThread || id === LocalApplyThread;
}

export type RaftState = 'StateFollower' | 'StatePreCandidate' | 'StateCandidate' | 'StateLeader';

/** What need not be durable: who leads, and in what role this node is. */
export interface SoftState {
  readonly lead: NodeId;
  readonly raftState: RaftState;
}

/** The answer to a read request: the read is linearizable once `index` has been applied here. */
export interface ReadState {
  readonly index: Index;
  readonly requestCtx: Uint8Array;
}

/** Names one entry: in Raft two entries with the same index and term are the same entry. */
export interface EntryId {
  readonly term: Term;
  readonly index: Index;
}

export const noBytes = new Uint8Array(0);

/** A message whose unnamed fields are zero. */
export function message(
  fields: Partial<Message> & Pick<Message, 'type'>,
  from: NodeId = fields.from ?? None,
  term: Term = fields.term ?? 0,
): Message {
  return {
    type: fields.type,
    to: fields.to ?? None,
    from,
    term,
    logTerm: fields.logTerm ?? 0,
    index: fields.index ?? 0,
    entries: fields.entries ?? [],
    commit: fields.commit ?? 0,
    vote: fields.vote ?? None,
    snapshot: fields.snapshot,
    reject: fields.reject ?? false,
    rejectHint: fields.rejectHint ?? 0,
    context: fields.context ?? noBytes,
    responses: fields.responses ?? [],
  };
}

/** @throws InvariantError past 2^53, where indexes would no longer be exact */
export function safeInteger(value: number, what: string): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new InvariantError(`${what} ${value} is not a safe integer`);
  return value;
}
