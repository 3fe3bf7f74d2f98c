import { describe, expect, test } from 'vitest';
import { parseChanges } from './confchange/change.js';
import { RawNode } from './raw-node.js';
import { bytes, Cluster, firstSnapshotIndex, handleReady, testConfig } from './testing/cluster.js';
import { ConfChangeV2, MsgType } from './types.js';

const change = (text: string) =>
  ({ version: 2, change: ConfChangeV2.create({ changes: parseChanges(text) }) }) as const;

describe('reads', () => {
  test('are answered with the commit index, on leader and followers', () => {
    const cluster = new Cluster([1, 2, 3]).elect(1);
    cluster.node(1).propose(bytes('a'));
    cluster.settle();
    for (const id of [1, 2]) {
      cluster.node(id).readIndex(bytes(`read ${id}`));
      cluster.settle();
      const { committed } = cluster.node(1).raft.log;
      expect(cluster.member(id).reads).toEqual([{ index: committed, requestCtx: bytes(`read ${id}`) }]);
    }
  });

  test('are not answered by a leader that cannot reach a quorum', () => {
    const cluster = new Cluster([1, 2, 3]).elect(1);
    cluster.isolate(1);
    cluster.node(1).readIndex(bytes('r'));
    cluster.settle();
    expect(cluster.member(1).reads).toEqual([]);
  });

  test('wait for the first commit of a new leader', () => {
    const cluster = new Cluster([1, 2, 3]).elect(1);
    cluster.node(1).propose(bytes('a'));
    cluster.settle();
    cluster.passes = ({ type }) => type !== MsgType.MsgApp;
    cluster.elect(2);
    cluster.node(2).readIndex(bytes('r'));
    cluster.settle();
    expect(cluster.member(2).reads).toEqual([]);
    cluster.heal();
    cluster.tick(2);
    cluster.settle();
    expect(cluster.member(2).reads).toEqual([{ index: cluster.node(2).raft.log.committed, requestCtx: bytes('r') }]);
  });

  test('wait for that in a group of one, too: its commit index may be older than its last crash', () => {
    const cluster = new Cluster([1]).elect(1);
    cluster.node(1).propose(bytes('a'));
    cluster.settle();
    const { storage } = cluster.member(1);
    // The commit index need not be synced: it may be lost in a crash.
    storage.setHardState({ ...storage.initialState().hardState, commit: firstSnapshotIndex });
    const restarted = { ...cluster.member(1), node: new RawNode(testConfig(1, storage)), reads: [] };
    cluster.members.set(1, restarted);
    restarted.node.campaign();
    handleReady(restarted);
    expect(restarted.node.status().raftState).toBe('StateLeader');
    restarted.node.readIndex(bytes('r'));
    cluster.settle();
    expect(restarted.reads).toEqual([{ index: storage.lastIndex(), requestCtx: bytes('r') }]);
  });

  test('are not answered alone by a leader that was demoted, though there is only one voter', () => {
    const cluster = new Cluster([1, 2]).elect(1);
    cluster.node(1).proposeConfChange(change('l1'));
    cluster.settle();
    expect(cluster.states()[1]).toBe('StateLeader');
    cluster.isolate(1);
    cluster.node(1).readIndex(bytes('r'));
    cluster.settle();
    expect(cluster.member(1).reads).toEqual([]);
  });

  test('with leases are answered at once', () => {
    const cluster = new Cluster([1, 2, 3], { readOnly: 'lease-based', checkQuorum: true }).elect(1);
    cluster.isolate(1);
    cluster.node(1).readIndex(bytes('r'));
    expect(handleReady(cluster.member(1)).readStates).toHaveLength(1);
  });
});
