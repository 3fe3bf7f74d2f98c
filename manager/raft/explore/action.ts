import { changesString } from '../core/confchange/change.js';
import { describeMessage } from '../core/describe.js';
import type { ConfChangeV2, Message, NodeId } from '../core/types.js';

/** What can happen to one node. */
export type Action =
  | { readonly kind: 'receive'; readonly message: Message }
  | { readonly kind: 'campaign' }
  /** A leader sends heartbeats. */
  | { readonly kind: 'beat' }
  | { readonly kind: 'propose'; readonly payload: string }
  | { readonly kind: 'change'; readonly change: ConfChangeV2 }
  /** The oldest MsgStorageAppend is done, where storage is asynchronous. */
  | { readonly kind: 'write' }
  /** The node hears of the oldest write that is done. */
  | { readonly kind: 'acknowledge' }
  /** The oldest MsgStorageApply is done. */
  | { readonly kind: 'apply' }
  /** The state machine becomes a snapshot on disk, and its entries are forgotten. */
  | { readonly kind: 'compact' }
  /**
   * The node starts again with what is on disk, and with the first `writes` of those it had asked
   * for: for `during`, where storage is synchronous, what is sent after them is not sent.
   */
  | { readonly kind: 'crash'; readonly writes: number; readonly during?: StepAction };

/** What the core is told. */
export type StepAction = Extract<Action, { readonly kind: 'receive' | 'campaign' | 'beat' | 'propose' | 'change' }>;

export function isStep(action: Action): action is StepAction {
  return ['receive', 'campaign', 'beat', 'propose', 'change'].includes(action.kind);
}

/** One line: what a path through the states is written in. */
export function actionString(node: NodeId, action: Action): string {
  switch (action.kind) {
    case 'receive':
      return `${node} receive ${describeMessage(action.message).replace(/\s*\n\s*/g, ' ')}`;
    case 'propose':
      return `${node} propose ${action.payload}`;
    case 'change':
      return `${node} change ${changesString(action.change.changes)}`;
    case 'crash':
      return `${node} crash ${action.writes}${action.during ? ` in ${actionString(node, action.during)}` : ''}`;
    default:
      return `${node} ${action.kind}`;
  }
}
