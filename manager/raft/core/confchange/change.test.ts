import { expect, test } from 'vitest';
import { RaftError } from '../errors.js';
import { bytes } from '../testing/cluster.js';
import { ConfChange, ConfChangeTransition, ConfChangeType, ConfChangeV2, Entry, EntryType } from '../types.js';
import {
  type AnyConfChange,
  asV2,
  changesString,
  confChangeEntry,
  confChangeOf,
  confChangeString,
  leaveJoint,
  parseChanges,
  transitionOf,
} from './change.js';

const v2 = (text: string, transition: ConfChangeTransition = ConfChangeTransition.ConfChangeTransitionAuto) =>
  ConfChangeV2.create({ changes: parseChanges(text), transition });

test('change - is the same after its way through an entry, in both encodings', () => {
  const changes: AnyConfChange[] = [
    leaveJoint,
    { version: 2, change: { ...v2('v1 l2 r3 u4'), context: bytes('ctx') } },
    { version: 1, change: ConfChange.create({ type: ConfChangeType.ConfChangeRemoveNode, nodeId: 7 }) },
  ];
  for (const change of changes) {
    const entry = confChangeEntry(change);
    expect(confChangeOf(entry)).toEqual(change);
    expect(entry.type).toBe(change.version === 1 ? EntryType.EntryConfChange : EntryType.EntryConfChangeV2);
  }
  expect(confChangeOf(Entry.create({ data: bytes('x') }))).toBeUndefined();
  expect(confChangeEntry(leaveJoint).data).toHaveLength(0);
});

test('change - the old encoding means one operation of the new', () => {
  const change = ConfChange.create({ type: ConfChangeType.ConfChangeAddNode, nodeId: 7, context: bytes('ctx') });
  expect(asV2({ version: 1, change })).toEqual({ ...v2('v7'), context: bytes('ctx') });
});

test.each([
  ['', 'leave-joint'],
  ['v1', 'simple'],
  ['v1 r2', 'enter-joint-autoleave'],
] as const)('change - "%s" on its own: %s', (text, transition) => {
  expect(transitionOf(v2(text))).toBe(transition);
});

test('change - goes through a joint configuration when asked to', () => {
  expect(transitionOf(v2('v1', ConfChangeTransition.ConfChangeTransitionJointImplicit))).toBe('enter-joint-autoleave');
  expect(transitionOf(v2('v1', ConfChangeTransition.ConfChangeTransitionJointExplicit))).toBe('enter-joint');
  expect(transitionOf(v2('', ConfChangeTransition.ConfChangeTransitionJointExplicit))).toBe('enter-joint');
});

test('change - reads and prints operations', () => {
  expect(changesString(parseChanges(' v1  l2 r3 u4 '))).toBe('v1 l2 r3 u4');
  expect(parseChanges('')).toEqual([]);
  for (const wrong of ['v', 'x1', 'v-1', 'vx', '1']) expect(() => parseChanges(wrong), wrong).toThrow(RaftError);
  expect(confChangeString({ version: 2, change: v2('v1 r2') })).toBe(
    'transition:ConfChangeTransitionAuto changes:{type:ConfChangeAddNode node_id:1} changes:{type:ConfChangeRemoveNode node_id:2}',
  );
});
