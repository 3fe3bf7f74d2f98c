import { RaftError } from '../errors.js';
import {
  ConfChange,
  ConfChangeSingle,
  ConfChangeTransition,
  ConfChangeTransitionName,
  ConfChangeType,
  ConfChangeTypeName,
  ConfChangeV2,
  Entry,
  EntryType,
} from '../types.js';

/** A change of configuration in either encoding; the old one carries exactly one operation. */
export type AnyConfChange =
  | { readonly version: 1; readonly change: ConfChange }
  | { readonly version: 2; readonly change: ConfChangeV2 };

export const leaveJoint: AnyConfChange = { version: 2, change: ConfChangeV2.create() };

/** The change as it takes effect, whatever its encoding. */
export function asV2(change: AnyConfChange): ConfChangeV2 {
  if (change.version === 2) return change.change;
  const { type, nodeId, context } = change.change;
  return ConfChangeV2.create({ changes: [ConfChangeSingle.create({ type, nodeId })], context });
}

/** Leaving encodes to no bytes at all, which no size limit can refuse. */
export function confChangeEntry(change: AnyConfChange): Entry {
  return change.version === 1
    ? Entry.create({ type: EntryType.EntryConfChange, data: ConfChange.encode(change.change) })
    : Entry.create({ type: EntryType.EntryConfChangeV2, data: ConfChangeV2.encode(change.change) });
}

/** Undefined for an entry that changes no configuration. @throws RangeError on bytes that are no change */
export function confChangeOf(entry: Entry): AnyConfChange | undefined {
  switch (entry.type) {
    case EntryType.EntryConfChange:
      return { version: 1, change: ConfChange.decode(entry.data) };
    case EntryType.EntryConfChangeV2:
      return { version: 2, change: ConfChangeV2.decode(entry.data) };
    default:
      return undefined;
  }
}

/** How a change enters the configuration. */
export type Transition = 'simple' | 'leave-joint' | 'enter-joint' | 'enter-joint-autoleave';

/**
 * More than one operation goes through a joint configuration even where a simple change would do:
 * whether it would depends on the configuration at the time it is applied.
 */
export function transitionOf(change: ConfChangeV2): Transition {
  const { transition, changes } = change;
  switch (transition) {
    case ConfChangeTransition.ConfChangeTransitionJointExplicit:
      return 'enter-joint';
    case ConfChangeTransition.ConfChangeTransitionJointImplicit:
      return 'enter-joint-autoleave';
    case ConfChangeTransition.ConfChangeTransitionAuto:
      if (changes.length === 0) return 'leave-joint';
      return changes.length === 1 ? 'simple' : 'enter-joint-autoleave';
    default:
      throw new RaftError('conf-change-refused', `unknown transition ${transition satisfies never}`);
  }
}

const letters: Readonly<Record<ConfChangeType, string>> = {
  [ConfChangeType.ConfChangeAddNode]: 'v',
  [ConfChangeType.ConfChangeAddLearnerNode]: 'l',
  [ConfChangeType.ConfChangeRemoveNode]: 'r',
  [ConfChangeType.ConfChangeUpdateNode]: 'u',
};

const typeOfLetter = new Map(
  Object.entries(letters).map(([type, letter]) => [letter, Number(type) as ConfChangeType] as const),
);

/** `v1 l2 r3 u4`: make 1 a voter, 2 a learner, remove 3, update 4. */
export function changesString(changes: readonly ConfChangeSingle[]): string {
  return changes.map(({ type, nodeId }) => `${letters[type] ?? 'unknown'}${nodeId}`).join(' ');
}

/** The inverse of changesString. @throws RaftError (conf-change-refused) naming the token */
export function parseChanges(text: string): readonly ConfChangeSingle[] {
  const tokens = text.trim() === '' ? [] : text.trim().split(/\s+/);
  return tokens.map((token) => {
    const type = typeOfLetter.get(token.charAt(0));
    if (token.length < 2) throw new RaftError('conf-change-refused', `unknown token ${token}`);
    if (type === undefined) throw new RaftError('conf-change-refused', `unknown input: ${token}`);
    const nodeId = Number(token.slice(1));
    if (!Number.isSafeInteger(nodeId) || nodeId < 0)
      throw new RaftError('conf-change-refused', `${token}: ${token.slice(1)} is not a node id`);
    return ConfChangeSingle.create({ type, nodeId });
  });
}

/** For logs: every field by name. */
export function confChangeString(change: AnyConfChange): string {
  const single = ({ type, nodeId }: ConfChangeSingle) => `type:${ConfChangeTypeName[type]} node_id:${nodeId}`;
  if (change.version === 1) return single(change.change);
  const { transition, changes } = change.change;
  return [`transition:${ConfChangeTransitionName[transition]}`, ...changes.map((c) => `changes:{${single(c)}}`)].join(
    ' ',
  );
}
