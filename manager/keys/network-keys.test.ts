import { expect, test } from 'vitest';
import { spisCollide, spisOf } from '../../lib/overlay-keys.js';
import {
  Network,
  NetworkAttachment,
  NetworkSpec,
  type Node,
  NodeState,
  NodeStatus,
  TaskState,
} from '../../proto/gen/index.js';
import { newTask, withStatus } from '../common/tasks.js';
import { LONGEST_WAIT } from '../common/wake-at.js';
import type { MemoryStore } from '../store/memory-store.js';
import { runLoops, type TestLoops } from '../testing/loops.js';
import { testCluster, testNode, testService } from '../testing/objects.js';
import { NetworkKeys } from './network-keys.js';
import { KEY_LINGER, KEY_PATIENCE, KEY_PERIOD, retireAll } from './ring.js';

const network = Network.create({
  id: 'secretnetwork000000000000',
  spec: NetworkSpec.create({ name: 'secret', driver: 'overlay', driverOptions: { encrypted: '' } }),
});

/** A swarm whose first node has a task in an encrypted network. */
async function swarm(): Promise<TestLoops & { readonly inNetwork: Node; readonly elsewhere: Node }> {
  const loops = await runLoops(NetworkKeys);
  const [inNetwork, elsewhere] = [testNode('node1', { dataPathAddress: '203.0.113.1' }), testNode('node2')] as const;
  const service = testService('web', 1);
  const task = newTask(service, { id: 'task', slot: 1, nodeId: inNetwork.id, desiredState: TaskState.RUNNING, now: 0 });
  const running = withStatus(task, { ...task.status, state: TaskState.RUNNING });
  await loops.store.update((draft) => {
    draft.create('cluster', testCluster());
    draft.create('network', network);
    draft.create('service', service);
    for (const node of [inNetwork, elsewhere]) draft.create('node', node);
    draft.create('task', { ...running, networks: [NetworkAttachment.create({ networkId: network.id })] });
  });
  await loops.settle();
  return { ...loops, inNetwork, elsewhere };
}

const ring = (store: MemoryStore) => {
  const { clock, keys, sending } = store.view().cluster().networkKeys;
  return { clock, keys: keys.map(({ time }) => time), sending };
};

async function change(loops: TestLoops, { id }: Node, fields: Partial<Node>): Promise<void> {
  await loops.store.update((draft) => {
    const node = draft.get('node', id);
    if (node) draft.update('node', { ...node, ...fields });
  });
  await loops.settle();
}

async function pass(loops: TestLoops, milliseconds: number): Promise<void> {
  await loops.clock.advance(milliseconds);
  await loops.settle();
}

test('a new swarm has a key of 32 bytes', async () => {
  const { store } = await swarm();
  expect(ring(store)).toEqual({ clock: 1, keys: [1], sending: 1 });
  expect(store.view().cluster().networkKeys.keys[0]?.key).toHaveLength(32);
});

test('every 12 hours nodes change over: when those in encrypted networks have the key, and no others', async () => {
  const loops = await swarm();
  const { store, inNetwork } = loops;
  await pass(loops, KEY_PERIOD - 1);
  expect(ring(store).keys).toEqual([1]);
  await pass(loops, 1);
  expect(ring(store)).toEqual({ clock: 2, keys: [1, 2], sending: 1 });
  await change(loops, inNetwork, { networkKeyClock: 1 });
  expect(ring(store).sending).toBe(1);
  await change(loops, inNetwork, { networkKeyClock: 2 });
  expect(ring(store)).toEqual({ clock: 3, keys: [1, 2], sending: 2 });
  const [a, b] = store.view().cluster().networkKeys.keys;
  expect(Buffer.from(a?.key ?? []).equals(b?.key ?? new Uint8Array(0))).toBe(false);
});

test('a node that is down is not waited for, and one that is silent only so long', async () => {
  const loops = await swarm();
  await pass(loops, KEY_PERIOD);
  await change(loops, loops.inNetwork, { status: NodeStatus.create({ state: NodeState.DOWN }) });
  expect(ring(loops.store)).toEqual({ clock: 3, keys: [1, 2], sending: 2 });
  await change(loops, loops.inNetwork, { status: NodeStatus.create({ state: NodeState.READY }) });
  await pass(loops, KEY_PERIOD);
  expect(ring(loops.store)).toEqual({ clock: 4, keys: [1, 2, 3], sending: 2 });
  await pass(loops, KEY_PATIENCE - 1);
  expect(ring(loops.store).sending).toBe(2);
  await pass(loops, 1);
  expect(ring(loops.store)).toEqual({ clock: 5, keys: [2, 3], sending: 3 });
});

test('a node whose task has gone is not waited for', async () => {
  const loops = await swarm();
  await pass(loops, KEY_PERIOD);
  await loops.store.update((draft) => draft.remove('task', 'task'));
  await pass(loops, LONGEST_WAIT);
  expect(ring(loops.store).sending).toBe(2);
});

test('a new leader goes on where the last one was', async () => {
  const loops = await swarm();
  await pass(loops, KEY_PERIOD);
  const { clock } = ring(loops.store);
  await loops.restart();
  expect(ring(loops.store).clock).toBe(clock);
  await loops.away(() => change(loops, loops.inNetwork, { networkKeyClock: clock }));
  expect(ring(loops.store)).toEqual({ clock: clock + 1, keys: [1, 2], sending: 2 });
});

test('a node that has few packets left under the key gets another at once, one that speaks of an older key does not', async () => {
  const loops = await swarm();
  const { store, inNetwork } = loops;
  await change(loops, inNetwork, { wornNetworkKey: 1 });
  expect(ring(store)).toEqual({ clock: 2, keys: [1, 2], sending: 1 });
  await change(loops, inNetwork, { networkKeyClock: 2 });
  expect(ring(store)).toEqual({ clock: 3, keys: [1, 2], sending: 2 });
  await change(loops, inNetwork, { networkKeyClock: 3 });
  expect(ring(store)).toEqual({ clock: 3, keys: [1, 2], sending: 2 });
  await change(loops, inNetwork, { wornNetworkKey: 2 });
  expect(ring(store)).toEqual({ clock: 4, keys: [1, 2, 3], sending: 2 });
});

test('retired keys are replaced at once, and go when every node sends under the new one', async () => {
  const loops = await swarm();
  const { store, inNetwork } = loops;
  await store.update((draft) => {
    const cluster = draft.cluster();
    draft.update('cluster', { ...cluster, networkKeys: retireAll(cluster.networkKeys) });
  });
  await loops.settle();
  expect(ring(store)).toEqual({ clock: 2, keys: [1, 2], sending: 1 });
  await change(loops, inNetwork, { networkKeyClock: 2 });
  expect(ring(store)).toEqual({ clock: 3, keys: [1, 2], sending: 2 });
  await pass(loops, KEY_LINGER);
  expect(ring(store).keys).toEqual([1, 2]);
  await change(loops, inNetwork, { networkKeyClock: 3 });
  expect(ring(store)).toEqual({ clock: 4, keys: [2], sending: 2 });
  await pass(loops, KEY_PERIOD - 1);
  expect(ring(store).clock).toBe(5);
});

test('when a node comes whose address makes an SPI of two keys, there is a new key at once', async () => {
  const loops = await swarm();
  await pass(loops, KEY_PERIOD);
  await change(loops, loops.inNetwork, { networkKeyClock: 2 });
  const [first, second] = loops.store
    .view()
    .cluster()
    .networkKeys.keys.map(({ key }) => key);
  if (!first || !second) throw new TypeError('two keys');
  const spi = spisOf(first)('203.0.113.1') ^ spisOf(second)('0.0.0.0');
  const dataPathAddress = [24, 16, 8, 0].map((shift) => (spi >>> shift) & 255).join('.');
  expect(spisCollide(second, [first], ['203.0.113.1', dataPathAddress])).toBe(true);
  await change(loops, loops.elsewhere, { dataPathAddress });
  expect(ring(loops.store).keys).toEqual([1, 2, 3]);
});
