import { expect, test } from 'vitest';
import { ManualClock } from '../../lib/clock.js';
import { silentLogger } from '../../lib/log.js';
import { NetworkAttachment, NodeState, NodeStatus, TaskState } from '../../proto/gen/index.js';
import { newTask, withStatus } from '../common/tasks.js';
import type { WriteView } from '../store/store.js';
import { openTestStore } from '../store/testing.js';
import { testCluster, testNetwork, testNode, testService } from '../testing/objects.js';
import { Assigner } from './assigner.js';

test('who begins to lead knows all members of a network before a task of it is let go', async () => {
  const store = await openTestStore();
  const network = { ...testNetwork('back'), allocated: true };
  const [own, other] = ['node1', 'node2'].map((name) =>
    testNode(name, { status: NodeStatus.create({ state: NodeState.READY }) }),
  );
  if (!own || !other) throw new RangeError('two nodes');
  const service = testService('web', 2);
  // In the order of their ids: the one that is to stop comes first.
  const tasks = [
    ['a', own.id, TaskState.REMOVE],
    ['b', other.id, TaskState.RUNNING],
  ] as const;
  await store.update((draft) => {
    draft.create('cluster', testCluster());
    draft.create('network', network);
    for (const node of [own, other]) draft.create('node', node);
    for (const [id, nodeId, desiredState] of tasks) {
      const task = newTask(service, { id, slot: 1, nodeId, desiredState, now: 0 });
      const networks = [
        NetworkAttachment.create({ networkId: network.id, addresses: [`10.0.1.${id === 'a' ? 2 : 3}/24`] }),
      ];
      draft.create('task', { ...withStatus(task, { ...task.status, state: TaskState.RUNNING }), networks });
    }
  });
  const clock = new ManualClock();
  const assigner = new Assigner({ store, clock, log: silentLogger, wake: () => {} }, store.view());
  for (const { id } of [own, other]) assigner.sent(assigner.open(id, { value: 0 }), 1);
  assigner.acknowledged(own.id, 1);
  expect(assigner.task('a')?.desiredState).toBe(TaskState.RUNNING);
  assigner.acknowledged(other.id, 1);
  expect(assigner.task('a')?.desiredState).toBe(TaskState.REMOVE);
});

test('a message names the calls that it comes from; what a node tells of itself comes from none', async () => {
  const store = await openTestStore();
  const network = { ...testNetwork('back'), allocated: true };
  const [own, other] = ['node1', 'node2'].map((name) =>
    testNode(name, { status: NodeStatus.create({ state: NodeState.READY }) }),
  );
  if (!own || !other) throw new RangeError('two nodes');
  const stop = new AbortController();
  const { snapshot, commits } = store.watch(stop.signal);
  const assigner = new Assigner({ store, clock: new ManualClock(), log: silentLogger, wake: () => {} }, snapshot);
  const reading = commits[Symbol.asyncIterator]();
  const observed = async (write: (draft: WriteView) => unknown, changeId?: string) => {
    await store.update(write, changeId);
    for (const event of (await reading.next()).value?.events ?? []) assigner.observe(event);
  };
  const addTask = (id: string, nodeId: string) => (draft: WriteView) => {
    const task = newTask(testService('web', 2), { id, slot: 1, nodeId, desiredState: TaskState.RUNNING, now: 0 });
    const networks = [NetworkAttachment.create({ networkId: network.id, addresses: [`10.0.1.${id.length}/24`] })];
    draft.create('task', { ...withStatus(task, { ...task.status, state: TaskState.RUNNING }), networks });
  };
  await observed((draft) => {
    draft.create('cluster', testCluster());
    draft.create('network', network);
    for (const node of [own, other]) draft.create('node', node);
  }, 'call1');
  await observed(addTask('a', own.id), 'call2');
  const stream = assigner.open(own.id, { value: 0 });
  expect(stream.complete().changeIds).toEqual(['call2']);
  await observed(addTask('bb', other.id), 'call3');
  expect(stream.next()?.changeIds).toEqual(['call3']);
  await observed((draft) => {
    const node = draft.get('node', other.id) ?? other;
    draft.update('node', { ...node, dataPathAddress: '192.0.2.7' });
  });
  expect(stream.next()).toMatchObject({
    changes: [{ assignment: { endpoint: { vtep: '192.0.2.7' } } }],
    changeIds: [],
  });
  stop.abort();
});

test('a complete set names the latest calls that its tasks come from, a few at most', async () => {
  const store = await openTestStore();
  const node = testNode('node1');
  await store.update((draft) => [draft.create('cluster', testCluster()), draft.create('node', node)]);
  const addTask = (id: string) => (draft: WriteView) => {
    const task = newTask(testService('web', 1), {
      id,
      slot: 1,
      nodeId: node.id,
      desiredState: TaskState.RUNNING,
      now: 0,
    });
    draft.create('task', withStatus(task, { ...task.status, state: TaskState.RUNNING }));
  };
  for (let i = 0; i < 40; i++) await store.update(addTask(`task${i}`), `call${i}`);
  await store.update(addTask('later'), 'call0');
  const assigner = new Assigner({ store, clock: new ManualClock(), log: silentLogger, wake: () => {} }, store.view());
  const { changeIds } = assigner.open(node.id, { value: 0 }).complete();
  expect(changeIds.slice(0, 3)).toEqual(['call0', 'call39', 'call38']);
  expect(changeIds).toHaveLength(32);
});
