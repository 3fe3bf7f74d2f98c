import { describe, expect, test } from 'vitest';
import { parseChanges } from './confchange/change.js';
import { RaftError } from './errors.js';
import { MemoryStorage } from './log/memory-storage.js';
import { RawNode } from './raw-node.js';
import { bytes, Cluster, firstSnapshotIndex, handleReady, testConfig } from './testing/cluster.js';
import { deepFreeze } from './testing/deep-freeze.js';
import { ConfChangeV2, ConfState, Entry, MsgType, message, None } from './types.js';

const change = (text: string) =>
  ({ version: 2, change: ConfChangeV2.create({ changes: parseChanges(text) }) }) as const;
const codeOf = (action: () => void) => {
  try {
    action();
  } catch (error) {
    if (error instanceof RaftError) return error.code;
    throw error;
  }
  return undefined;
};

describe('configuration', () => {
  test.each([
    [{ id: None }, /none as id/],
    [{ id: 1.5 }, /safe integer/],
    [{ heartbeatTick: 0 }, /heartbeat tick/],
    [{ electionTick: 1 }, /election tick/],
    [{ maxInflightMsgs: 0 }, /inflight messages/],
    [{ maxSizePerMsg: 100, maxInflightBytes: 99 }, /inflight bytes/],
    [{ readOnly: 'lease-based' as const }, /check quorum/],
  ])('refuses %o', (config, text) => {
    const make = () => new RawNode({ ...testConfig(1, new MemoryStorage()), ...config });
    expect(make).toThrow(text);
    expect(codeOf(make)).toBe('invalid-config');
  });
});

describe('a node', () => {
  test('has nothing to do at first, and again when all is done', () => {
    const cluster = new Cluster([1]);
    expect(cluster.node(1).hasReady()).toBe(false);
    cluster.elect(1);
    cluster.node(1).propose(bytes('a'));
    expect(cluster.node(1).hasReady()).toBe(true);
    cluster.settle();
    expect(cluster.node(1).hasReady()).toBe(false);
    expect(cluster.applied(1)).toEqual(['a']);
  });

  test('takes no local message from outside and no response from a stranger', () => {
    const { node } = new Cluster([1, 2]).member(1);
    for (const type of [MsgType.MsgHup, MsgType.MsgBeat, MsgType.MsgCheckQuorum, MsgType.MsgStorageAppendResp])
      expect(codeOf(() => node.step(message({ type, from: 2 })))).toBe('local-message');
    for (const type of [MsgType.MsgAppResp, MsgType.MsgVoteResp, MsgType.MsgHeartbeatResp])
      expect(codeOf(() => node.step(message({ type, from: 9, term: 1 })))).toBe('peer-not-found');
  });

  test('must have its Ready advanced before the next', () => {
    const { node } = new Cluster([1]).member(1);
    node.campaign();
    node.ready();
    node.campaign();
    expect(() => node.ready()).toThrow(/two accepted/);
  });

  test('starts where it left off', () => {
    const cluster = new Cluster([1, 2, 3]).elect(1);
    cluster.node(1).propose(bytes('a'));
    cluster.settle();
    const { storage, applied } = cluster.member(2);
    const config = testConfig(2, storage, { applied: applied.at(-1)?.index ?? 0 });
    const node = new RawNode(config);
    expect(node.status().hardState).toEqual(cluster.node(2).status().hardState);
    expect(node.hasReady()).toBe(false);
    expect(new RawNode(testConfig(2, storage)).ready().committedEntries.map(({ index }) => index)).toEqual(
      applied.map(({ index }) => index),
    );
  });
});

describe('elections', () => {
  test('come after the election timeout, up to twice of it', () => {
    for (const [random, ticks] of [
      [0, 10],
      [0.55, 15],
      [0.999, 19],
    ] as const) {
      const cluster = new Cluster([1, 2, 3], { random: () => random });
      cluster.tick(1, ticks - 1);
      expect(cluster.states()[1]).toBe('StateFollower');
      cluster.tick(1);
      expect(cluster.states()[1]).toBe('StateCandidate');
    }
  });

  test('give one vote a term, to a log that is as complete', () => {
    const cluster = new Cluster([1, 2, 3]);
    const { node } = cluster.member(1);
    const vote = (from: number, term: number, index: number, logTerm: number) => {
      node.step(deepFreeze(message({ type: MsgType.MsgVote, from, to: 1, term, index, logTerm })));
      const answer = handleReady(cluster.member(1)).messages.find(({ type }) => type === MsgType.MsgVoteResp);
      return answer && !answer.reject;
    };
    expect(vote(2, 2, firstSnapshotIndex - 1, 1)).toBe(false);
    expect(vote(2, 2, firstSnapshotIndex, 1)).toBe(true);
    expect(vote(2, 2, firstSnapshotIndex, 1)).toBe(true);
    expect(vote(3, 2, firstSnapshotIndex + 9, 1)).toBe(false);
    expect(vote(3, 3, firstSnapshotIndex, 1)).toBe(true);
  });

  test('with pre-vote raise no term while they cannot be won', () => {
    const cluster = new Cluster([1, 2, 3], { preVote: true, checkQuorum: true }).elect(1);
    cluster.isolate(3);
    for (let i = 0; i < 5; i++) {
      cluster.tick(3, 20);
      cluster.settle();
    }
    const { term } = cluster.node(1).status().hardState;
    expect([cluster.states()[3], cluster.node(3).status().hardState.term]).toEqual(['StatePreCandidate', term]);
    cluster.heal();
    cluster.tick(1);
    cluster.settle();
    expect(cluster.states()).toEqual({ 1: 'StateLeader', 2: 'StateFollower', 3: 'StateFollower' });
    expect(cluster.node(1).status().hardState.term).toBe(term);
  });

  test('end the reign of a leader without a quorum', () => {
    const cluster = new Cluster([1, 2, 3], { checkQuorum: true }).elect(1);
    cluster.isolate(1);
    cluster.tick(1, 20);
    expect(cluster.states()[1]).toBe('StateFollower');
    expect(codeOf(() => cluster.node(1).propose(bytes('x')))).toBe('proposal-dropped');
  });

  test('are not for learners', () => {
    const cluster = new Cluster([1], {}, [2]);
    cluster.tick(2, 50);
    cluster.node(2).campaign();
    expect(cluster.states()[2]).toBe('StateFollower');
  });
});

describe('proposals', () => {
  test('reach all through any node, in one order', () => {
    const cluster = new Cluster([1, 2, 3]).elect(1);
    for (const [i, text] of ['a', 'b', 'c', 'd'].entries()) {
      cluster.node(1 + (i % 3)).propose(bytes(text));
      cluster.settle();
    }
    cluster.tick(1);
    cluster.settle();
    for (const id of [1, 2, 3]) expect(cluster.applied(id)).toEqual(['a', 'b', 'c', 'd']);
  });

  test('are dropped without a leader, and by followers that must not forward', () => {
    const cluster = new Cluster([1, 2, 3], { disableProposalForwarding: true });
    expect(codeOf(() => cluster.node(1).propose(bytes('x')))).toBe('proposal-dropped');
    cluster.elect(1);
    expect(codeOf(() => cluster.node(2).propose(bytes('x')))).toBe('proposal-dropped');
    expect(codeOf(() => cluster.node(1).propose(bytes('x')))).toBeUndefined();
  });

  test('are dropped when too much is uncommitted, but never when they are empty or alone', () => {
    const cluster = new Cluster([1, 2, 3], { maxUncommittedEntriesSize: 10 }).elect(1);
    cluster.isolate(1);
    const propose = (size: number) => codeOf(() => cluster.node(1).propose(new Uint8Array(size)));
    expect(propose(100)).toBeUndefined();
    expect(propose(1)).toBe('proposal-dropped');
    expect(propose(0)).toBeUndefined();
    cluster.heal();
    cluster.tick(1);
    cluster.settle();
    expect(propose(1)).toBeUndefined();
  });

  test('travel in messages of limited size, applied in portions of limited size', () => {
    const cluster = new Cluster([1, 2], { maxSizePerMsg: 100, maxCommittedSizePerReady: 100 }).elect(1);
    cluster.isolate(2);
    for (let i = 0; i < 9; i++) cluster.node(1).propose(new Uint8Array(50).fill(i));
    cluster.settle();
    const sizes: number[] = [];
    cluster.passes = (m) => {
      if (m.type === MsgType.MsgApp) sizes.push(m.entries.length);
      return true;
    };
    cluster.tick(1);
    cluster.settle();
    expect(Math.max(...sizes)).toBe(1);
    expect(cluster.applied(2)).toHaveLength(9);
  });
});

describe('followers', () => {
  test('that were away get what they lack, after a single question', () => {
    const cluster = new Cluster([1, 2, 3]).elect(1);
    cluster.isolate(3);
    for (let i = 0; i < 50; i++) cluster.node(1).propose(bytes(String(i)));
    cluster.settle();
    let rejections = 0;
    cluster.passes = (m) => {
      if (m.reject) rejections++;
      return true;
    };
    cluster.tick(1);
    cluster.settle();
    expect(cluster.applied(3)).toEqual(cluster.applied(1));
    expect(rejections).toBe(1);
  });

  test('too far behind get a snapshot', () => {
    const cluster = new Cluster([1, 2, 3]).elect(1);
    cluster.isolate(3);
    for (let i = 0; i < 10; i++) cluster.node(1).propose(bytes(String(i)));
    cluster.settle();
    const { storage, node } = cluster.member(1);
    storage.createSnapshot(node.raft.log.applied, undefined, bytes('state'));
    storage.compact(node.raft.log.applied);
    cluster.heal();
    cluster.tick(1);
    cluster.settle();
    expect(cluster.member(3).storage.snapshot().data).toEqual(bytes('state'));
    node.propose(bytes('after'));
    cluster.settle();
    expect(cluster.applied(3)).toEqual(['after']);
    expect(node.status().progress.get(3)?.state).toBe('StateReplicate');
  });

  test('that get no snapshot are asked again once that is reported', () => {
    const cluster = new Cluster([1, 2, 3]).elect(1);
    cluster.isolate(3);
    for (let i = 0; i < 10; i++) cluster.node(1).propose(bytes(String(i)));
    cluster.settle();
    const { storage, node } = cluster.member(1);
    storage.createSnapshot(node.raft.log.applied, undefined, bytes('state'));
    storage.compact(node.raft.log.applied);
    cluster.passes = ({ type }) => type !== MsgType.MsgSnap;
    cluster.tick(1);
    cluster.settle();
    expect(node.status().progress.get(3)?.state).toBe('StateSnapshot');
    node.reportSnapshot(3, false);
    expect(node.status().progress.get(3)?.state).toBe('StateProbe');
    cluster.heal();
    cluster.tick(1);
    cluster.settle();
    expect(node.status().progress.get(3)?.state).toBe('StateReplicate');
  });
});

describe('leadership transfer', () => {
  test('hands over without an election timeout, even through leases', () => {
    const cluster = new Cluster([1, 2, 3], { checkQuorum: true, preVote: true }).elect(1);
    cluster.node(3).transferLeader(2);
    cluster.settle();
    expect(cluster.states()).toEqual({ 1: 'StateFollower', 2: 'StateLeader', 3: 'StateFollower' });
  });

  test('first brings the target up to date, dropping proposals, and is given up in time', () => {
    const cluster = new Cluster([1, 2, 3]).elect(1);
    cluster.isolate(3);
    cluster.node(1).propose(bytes('a'));
    cluster.settle();
    cluster.node(1).transferLeader(3);
    expect(cluster.node(1).status().leadTransferee).toBe(3);
    expect(codeOf(() => cluster.node(1).propose(bytes('x')))).toBe('proposal-dropped');
    cluster.tick(1, 10);
    expect(codeOf(() => cluster.node(1).propose(bytes('b')))).toBeUndefined();
    cluster.heal();
    cluster.tick(1);
    cluster.settle();
    cluster.node(1).transferLeader(3);
    cluster.settle();
    expect(cluster.states()[3]).toBe('StateLeader');
    expect(cluster.applied(3)).toEqual(['a', 'b']);
  });

  test('is not for learners', () => {
    const cluster = new Cluster([1, 2], {}, [3]).elect(1);
    cluster.node(1).transferLeader(3);
    expect(cluster.node(1).status().leadTransferee).toBe(None);
  });
});

describe('membership', () => {
  test('a change that was dropped does not stand in the way of the next', () => {
    const cluster = new Cluster([1, 2, 3], { maxUncommittedEntriesSize: 10 }).elect(1);
    cluster.isolate(1);
    cluster.node(1).propose(new Uint8Array(100));
    expect(codeOf(() => cluster.node(1).proposeConfChange(change('r3')))).toBe('proposal-dropped');
    cluster.heal();
    cluster.tick(1);
    cluster.settle();
    cluster.node(1).proposeConfChange(change('r3'));
    cluster.settle();
    expect([...cluster.node(1).status().config.voters.incoming]).toEqual([1, 2]);
  });

  test('a node joins as a learner, catches up, becomes a voter', () => {
    const cluster = new Cluster([1]).elect(1);
    cluster.node(1).propose(bytes('a'));
    cluster.settle();
    const { storage, node } = cluster.member(1);
    cluster.add(2, ConfState.create());
    cluster.isolate(2);
    node.proposeConfChange(change('l2'));
    cluster.settle();
    cluster.heal();
    storage.createSnapshot(node.raft.log.applied, ConfState.create({ voters: [1], learners: [2] }), bytes('state'));
    cluster.tick(1);
    cluster.settle();
    expect(node.status().progress.get(2)).toMatchObject({ isLearner: true, match: node.raft.log.lastIndex() });
    node.proposeConfChange(change('v2'));
    cluster.settle();
    expect([...cluster.node(2).status().config.voters.incoming]).toEqual([1, 2]);
    cluster.elect(2);
    expect(cluster.states()[2]).toBe('StateLeader');
  });

  test('several change at once through a joint configuration that is left on its own', () => {
    const cluster = new Cluster([1, 2, 3, 4]).elect(1);
    cluster.node(1).proposeConfChange(change('r2 l3'));
    cluster.settle();
    const { config } = cluster.node(4).status();
    expect([[...config.voters.incoming], [...config.voters.outgoing], [...config.learners]]).toEqual([[1, 4], [], [3]]);
  });

  test('one change at a time: another becomes an empty entry', () => {
    const cluster = new Cluster([1, 2, 3]).elect(1);
    cluster.node(1).proposeConfChange(change('r2'));
    cluster.node(1).proposeConfChange(change('r3'));
    cluster.settle();
    expect([...cluster.node(1).status().config.voters.incoming].sort()).toEqual([1, 3]);
  });

  test('a leader that removes itself steps down where it should', () => {
    for (const stepDownOnRemoval of [true, false]) {
      const cluster = new Cluster([1, 2, 3], { stepDownOnRemoval }).elect(1);
      cluster.node(1).proposeConfChange(change('r1'));
      cluster.settle();
      expect(cluster.states()[1]).toBe(stepDownOnRemoval ? 'StateFollower' : 'StateLeader');
      expect(codeOf(() => cluster.node(1).propose(bytes('x')))).toBe('proposal-dropped');
      cluster.elect(2);
      expect(cluster.states()[2]).toBe('StateLeader');
    }
  });
});

test('forget leader - a follower grants pre-votes at once', () => {
  const cluster = new Cluster([1, 2, 3], { preVote: true, checkQuorum: true }).elect(1);
  cluster.isolate(1);
  cluster.node(2).forgetLeader();
  cluster.node(3).forgetLeader();
  cluster.elect(2);
  expect(cluster.states()[2]).toBe('StateLeader');
});

test('what goes in is not changed', () => {
  const cluster = new Cluster([1, 2]).elect(1);
  const entry = Entry.create({ data: bytes('x') });
  const m = deepFreeze(message({ type: MsgType.MsgProp, from: 2, to: 1, entries: [entry] }));
  cluster.node(1).step(m);
  cluster.settle();
  expect([entry.term, entry.index]).toEqual([0, 0]);
  expect(cluster.applied(2)).toEqual(['x']);
});
