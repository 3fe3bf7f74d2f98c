import { expect, test } from 'vitest';
import { ConfChangeTransition, ConfChangeType, ConfChangeV2 } from '../core/types.js';
import { type Bounds, defaultBounds } from './bounds.js';
import { Explorer } from './explorer.js';

interface Scenario {
  readonly name: string;
  readonly bounds: Partial<Bounds>;
  /** Explored with TSSWARM_RAFT_EXPLORE=large only: takes minutes. */
  readonly large?: boolean;
}

const large = process.env.TSSWARM_RAFT_EXPLORE === 'large';
const sync = { asyncStorageWrites: false };

const change = (type: ConfChangeType, nodeId: number, transition: ConfChangeTransition = 0) =>
  ConfChangeV2.create({ transition, changes: [{ type, nodeId }] });
const add3 = change(ConfChangeType.ConfChangeAddNode, 3);
const remove3 = change(ConfChangeType.ConfChangeRemoveNode, 3);
const removeJointly = change(
  ConfChangeType.ConfChangeRemoveNode,
  3,
  ConfChangeTransition.ConfChangeTransitionJointImplicit,
);

const scenarios: readonly Scenario[] = [
  { name: 'two terms, a proposal', bounds: { config: sync, proposals: 1, crashes: 0 } },
  { name: 'two terms, a crash', bounds: { config: sync, proposals: 0 } },
  { name: 'a crash, writes that come late', bounds: { maxTerm: 2, proposals: 0 } },
  { name: 'a crash between write and acknowledgement', bounds: { maxTerm: 2, proposals: 0, acknowledgesLater: true } },
  { name: 'a proposal, a crash and a snapshot', bounds: { config: sync, maxTerm: 2, compactions: 1 } },
  {
    name: 'two proposals to a group of two, a crash',
    bounds: { config: sync, voters: [1, 2], nodes: [1, 2], proposals: 2 },
  },
  { name: 'a proposal and heartbeats', bounds: { config: sync, maxTerm: 2, crashes: 0, heartbeats: 1 } },
  { name: 'a pre-vote', bounds: { config: { ...sync, preVote: true }, maxTerm: 2, crashes: 0, proposals: 0 } },
  { name: 'two terms, a crash, a new member', bounds: { config: sync, voters: [1, 2], proposals: 0, changes: [add3] } },
  { name: 'a crash, a member removed', bounds: { config: sync, maxTerm: 2, proposals: 0, changes: [remove3] } },
  {
    name: 'a member removed jointly',
    bounds: { config: sync, maxTerm: 2, crashes: 0, proposals: 0, changes: [removeJointly] },
  },
  { name: 'two terms, a proposal, a crash', bounds: { config: sync }, large: true },
  {
    // Four leaders can commit an entry of an older term wrongly (Raft paper, figure 8).
    name: 'four terms, an entry to a message',
    bounds: {
      config: { ...sync, maxSizePerMsg: 1, maxInflightMsgs: 1 },
      maxTerm: 5,
      maxIndex: 3,
      proposals: 0,
      crashes: 0,
    },
    large: true,
  },
  { name: 'two proposals', bounds: { config: sync, maxTerm: 2, proposals: 2, crashes: 0 }, large: true },
  { name: 'a proposal, writes that come late, a crash', bounds: { maxTerm: 2 }, large: true },
  { name: 'two terms, writes that come late', bounds: { proposals: 0, crashes: 0 }, large: true },
  {
    name: 'two terms, acknowledgements that come late',
    bounds: { proposals: 0, crashes: 0, acknowledgesLater: true },
    large: true,
  },
  {
    name: 'two terms, a proposal, a crash, a new member',
    bounds: { config: sync, voters: [1, 2], changes: [add3] },
    large: true,
  },
  {
    name: 'two terms, a member removed jointly',
    bounds: { config: sync, crashes: 0, proposals: 0, changes: [removeJointly] },
    large: true,
  },
];

test.each(scenarios.filter((scenario) => large || !scenario.large))(
  'exploration - $name',
  { timeout: large ? 3_600_000 : 300_000 },
  ({ name, bounds }) => {
    const maxStates = large ? 20_000_000 : defaultBounds.maxStates;
    const { violation, ...outcome } = new Explorer({ ...defaultBounds, maxStates, ...bounds }).run();
    console.log(`${name}: ${JSON.stringify(outcome)}`);
    expect(violation && [violation.what, ...violation.path].join('\n')).toBeUndefined();
    expect(outcome.exhausted).toBe(true);
  },
);

test('exploration - node states that are taken to be the same do the same', { timeout: 60_000 }, () => {
  for (const bounds of [{ maxTerm: 2 }, { config: sync, maxTerm: 2, compactions: 1 }]) {
    const explorer = new Explorer({ ...defaultBounds, proposals: 0, ...bounds });
    explorer.run();
    expect(explorer.verify()).toBeGreaterThan(500);
  }
});
