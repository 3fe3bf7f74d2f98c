import { expect, test } from 'vitest';
import { ConfChangeType, ConfChangeV2, MsgType } from '../core/types.js';
import { type Bounds, defaultBounds } from './bounds.js';
import { type Environment, soundEnvironment } from './environment.js';
import { Explorer } from './explorer.js';

/** A bug, the bounds it shows in, and what it breaks. */
interface Variant {
  readonly name: string;
  readonly environment: Partial<Environment>;
  readonly bounds: Partial<Bounds>;
  readonly breaks: RegExp;
}

const sync = { asyncStorageWrites: false };

const variants: readonly Variant[] = [
  {
    name: 'an acknowledgement leaves before its entries are durable',
    environment: { sendsEarly: (m) => m.type === MsgType.MsgAppResp },
    bounds: { maxTerm: 2, crashes: 0, proposals: 0 },
    breaks: /is committed, but not on the disks of a quorum/,
  },
  {
    name: 'a vote leaves before it is durable',
    environment: { sendsEarly: (m) => m.type === MsgType.MsgVoteResp },
    bounds: { maxTerm: 2, crashes: 1, proposals: 0 },
    breaks: /election safety/,
  },
  {
    name: 'a restart forgets the vote',
    environment: { recovers: (written) => ({ ...written, vote: 0 }) },
    bounds: { config: sync, maxTerm: 2, crashes: 1, proposals: 0 },
    breaks: /votes for . and for . in term 2/,
  },
  {
    name: 'a restart finds the hard state of an older term',
    environment: { recovers: (written) => ({ ...written, term: 1, vote: 0 }) },
    bounds: { config: sync, maxTerm: 2, crashes: 1, proposals: 0 },
    breaks: /votes for . and for . in term 2/,
  },
  {
    name: 'votes never reach the disk',
    environment: { writes: (state) => ({ ...state, vote: 0 }) },
    bounds: { config: sync, maxTerm: 2, crashes: 1, proposals: 0 },
    breaks: /election safety: . and . lead in term 2/,
  },
  {
    name: 'terms never reach the disk',
    environment: { writes: (state) => ({ ...state, term: 1, vote: 0 }) },
    bounds: { config: sync, maxTerm: 2, crashes: 1, proposals: 0 },
    breaks: /election safety: . and . lead in term 2/,
  },
  {
    name: 'a candidate claims a longer log than it has',
    environment: { delivers: (m) => (m.type === MsgType.MsgVote ? { ...m, logTerm: m.term } : m) },
    bounds: { config: sync, maxTerm: 3, crashes: 0, proposals: 0 },
    breaks: /leader completeness/,
  },
  {
    name: 'a follower takes for committed what it was sent',
    environment: {
      delivers: (m) => (m.type === MsgType.MsgApp ? { ...m, commit: m.index + m.entries.length } : m),
    },
    bounds: { maxTerm: 2, crashes: 0, proposals: 0 },
    breaks: /is committed, but not on the disks of a quorum/,
  },
  {
    name: 'a rejection is taken for an acknowledgement',
    environment: { delivers: (m) => (m.type === MsgType.MsgAppResp ? { ...m, reject: false } : m) },
    bounds: { config: sync, maxTerm: 3, crashes: 0, proposals: 1 },
    breaks: /is committed, but not on the disks of a quorum/,
  },
];

test.each(variants)('exploration - finds that $name', { timeout: 60_000 }, ({ environment, bounds, breaks }) => {
  const broken = { ...defaultBounds, ...bounds, environment: { ...soundEnvironment, ...environment } };
  const { violation } = new Explorer(broken).run();
  expect(violation?.what).toMatch(breaks);
  expect(new Explorer(broken).replay(violation?.path ?? [])).toBe(violation?.what);
});

/** Two voters leave before the first is gone: 1 alone commits what 2 and 3 do not have, who elect 2. */
const twoRemovals = {
  bounds: {
    ...defaultBounds,
    config: sync,
    changes: [2, 3].map((nodeId) =>
      ConfChangeV2.create({ changes: [{ type: ConfChangeType.ConfChangeRemoveNode, nodeId }] }),
    ),
  },
  path: [
    '1 campaign',
    '2 receive 1->2 MsgVote Term:2 Log:1/1',
    '1 receive 2->1 MsgVoteResp Term:2 Log:0/0',
    '1 change r2',
    '1 change r3',
    '2 receive 1->2 MsgApp Term:2 Log:1/1 Commit:1 Entries:[2/2 EntryNormal ""]',
    '1 receive 2->1 MsgAppResp Term:2 Log:0/2',
    '1 propose a',
    '2 receive 1->2 MsgApp Term:2 Log:2/2 Commit:2 Entries:[ 2/3 EntryConfChangeV2 r2 2/4 EntryConfChangeV2 r3 ]',
    '1 receive 2->1 MsgAppResp Term:2 Log:0/4',
    '2 campaign',
    '3 receive 2->3 MsgVote Term:3 Log:2/4',
    '2 receive 3->2 MsgVoteResp Term:3 Log:0/0',
  ],
};

test('exploration - goes along a path that it is given', () => {
  const { bounds, path } = twoRemovals;
  const unchecked = { ...bounds, config: { ...sync, disableConfChangeValidation: true } };
  expect(new Explorer(unchecked).replay(path)).toMatch(/leader completeness: 2 leads term 3 without 2:0:a/);
  // The check that is left out above is what keeps it from happening.
  expect(() => new Explorer(bounds).replay(path)).toThrow('cannot happen: 2 receive 1->2 MsgApp Term:2 Log:2/2');
});
