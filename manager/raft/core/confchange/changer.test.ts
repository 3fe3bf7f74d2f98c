import { expect, test } from 'vitest';
import { RaftError } from '../errors.js';
import { Random } from '../testing/random.js';
import { configString, confStateOf, emptyConfig, ProgressTracker, progressString } from '../tracker/tracker.js';
import type { ConfChangeSingle, ConfState } from '../types.js';
import { parseChanges } from './change.js';
import { type ChangeBase, enterJoint, leaveJointConfig, type Membership, simpleChange } from './changer.js';
import { restoreMembership, sameConfState } from './restore.js';

const tracker = new ProgressTracker(10, Number.POSITIVE_INFINITY);
const nothing: Membership = { config: emptyConfig, progress: new Map() };
const on = (membership: Membership): ChangeBase => ({
  ...membership,
  lastIndex: 10,
  newInflights: () => tracker.newInflights(),
});
const text = ({ config, progress }: Membership) => `${configString(config)}\n${progressString(progress)}`;

function start(voters: string): Membership {
  return parseChanges(voters).reduce((membership, change) => simpleChange(on(membership), [change]), nothing);
}

function randomChanges(random: Random): readonly ConfChangeSingle[] {
  const one = () => `${random.pick(['v', 'l', 'r', 'u'])}${1 + random.below(6)}`;
  return parseChanges(Array.from({ length: 1 + random.below(5) }, one).join(' '));
}

function attempt(change: () => Membership): Membership | string {
  try {
    return change();
  } catch (error) {
    if (error instanceof RaftError) return error.message;
    throw error;
  }
}

test('changer - through a joint configuration comes out where one by one does', () => {
  const random = new Random(11);
  let compared = 0;
  for (let round = 0; round < 3000; round++) {
    const before = start('v1 v2 v3 l4');
    const changes = randomChanges(random);
    const joint = attempt(() => {
      const entered = enterJoint(on(before), random.chance(0.5), changes);
      return leaveJointConfig(on(entered));
    });
    let simple: Membership | string = before;
    for (const change of changes) {
      const base: Membership | string = simple;
      if (typeof base !== 'string') simple = attempt(() => simpleChange(on(base), [change]));
    }
    // On the way one by one may be left without a voter where all at once is not.
    if (typeof joint === 'string' || typeof simple === 'string') continue;
    expect(configString(joint.config)).toBe(configString(simple.config));
    expect([...joint.progress.keys()].sort()).toEqual([...simple.progress.keys()].sort());
    compared++;
  }
  expect(compared).toBeGreaterThan(1000);
});

test('changer - a refused or accepted change leaves its base as it was', () => {
  const random = new Random(12);
  let membership = start('v1 v2 v3');
  for (let round = 0; round < 2000; round++) {
    const before = text(membership);
    const base = on(membership);
    const next = attempt(() => {
      if (membership.config.voters.outgoing.size > 0 && random.chance(0.6)) return leaveJointConfig(base);
      const changes = randomChanges(random);
      return random.chance(0.5) ? simpleChange(base, changes) : enterJoint(base, random.chance(0.5), changes);
    });
    expect(text(membership)).toBe(before);
    if (typeof next !== 'string') membership = next;
  }
});

test('changer - whatever configuration was reached is restored from its ConfState', () => {
  const random = new Random(13);
  const joint = { seen: 0 };
  let membership = start('v1 v2 v3');
  for (let round = 0; round < 2000; round++) {
    const base = on(membership);
    const next = attempt(() =>
      random.chance(0.4)
        ? leaveJointConfig(base)
        : random.chance(0.5)
          ? simpleChange(base, randomChanges(random))
          : enterJoint(base, random.chance(0.5), randomChanges(random)),
    );
    if (typeof next !== 'string') membership = next;
    if (membership.config.voters.outgoing.size > 0) joint.seen++;
    const state = confStateOf(membership.config);
    const restored = restoreMembership(on(nothing), state);
    expect(confStateOf(restored.config)).toEqual(state);
    expect([...restored.progress.keys()].sort()).toEqual([...membership.progress.keys()].sort());
  }
  expect(joint.seen).toBeGreaterThan(100);
});

test('changer - new members are active, so that they count before they could answer', () => {
  const { progress } = simpleChange(on(start('v1')), parseChanges('l2'));
  expect(String(progress.get(2))).toBe('StateProbe match=0 next=10 learner');
});

test('restore - compares states whatever their order', () => {
  const state: ConfState = { voters: [3, 1], votersOutgoing: [2], learners: [], learnersNext: [], autoLeave: true };
  expect(sameConfState(state, { ...state, voters: [1, 3] })).toBe(true);
  expect(sameConfState(state, { ...state, voters: [1] })).toBe(false);
  expect(sameConfState(state, { ...state, learners: [1] })).toBe(false);
  expect(sameConfState(state, { ...state, autoLeave: false })).toBe(false);
});
