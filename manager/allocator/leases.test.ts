import { expect, test } from 'vitest';
import {
  AttachmentSpec,
  IPAMConfig,
  NetworkAttachmentConfig,
  NodeState,
  type Task,
  TaskSpec,
  TaskState,
  TaskStatus,
} from '../../proto/gen/index.js';
import { newTask } from '../common/tasks.js';
import type { Store } from '../store/store.js';
import { allocating, rebuilt } from '../testing/allocating.js';
import { testNetwork, testNode, testService, testTaskSpec } from '../testing/objects.js';

/** A routed network of which three nodes can have a part, and nodes. */
async function routed(names: readonly string[], options: Record<string, string> = { 'subnet-length': '26' }) {
  const loops = await allocating();
  const network = testNetwork('net', {
    driver: 'routed',
    driverOptions: options,
    ipam: [IPAMConfig.create({ subnet: '10.1.0.0/24' })],
  });
  const nodes = names.map((name, i) => testNode(name, { dataPathAddress: `203.0.113.${i + 1}` }));
  const on = testTaskSpec('web', { networks: [NetworkAttachmentConfig.create({ target: network.id })] });
  const service = testService('web', 1, { task: on });
  await loops.store.update((draft) => {
    draft.create('network', network);
    for (const node of nodes) draft.create('node', node);
    draft.create('service', service);
  });
  await loops.settle();
  const { store, settle } = loops;
  let count = 0;
  const id = () => `task${String(++count).padStart(21, '0')}`;
  /** A task of the service, as the orchestrator makes it and the scheduler places it. */
  const place = async (nodeId: string): Promise<string> => {
    const made = id();
    await store.update((draft) =>
      draft.create(
        'task',
        newTask(service, { id: made, slot: 1, nodeId: '', desiredState: TaskState.RUNNING, now: 0 }),
      ),
    );
    await settle();
    await change(store, made, (task) => ({
      nodeId,
      status: TaskStatus.create({ ...task.status, state: TaskState.ASSIGNED }),
    }));
    await settle();
    return made;
  };
  const task = (of: string) => store.view().get('task', of);
  const leases = () =>
    nodes.map(({ id: nodeId }) =>
      store
        .view()
        .get('node', nodeId)
        ?.attachments.find(({ networkId }) => networkId === network.id),
    );
  return { ...loops, network, nodes: nodes.map((node) => node.id), service, place, task, leases, id };
}

async function change(store: Store, id: string, fields: (task: Task) => Partial<Task>): Promise<void> {
  await store.update((draft) => {
    const task = draft.get('task', id);
    if (task) draft.update('task', { ...task, ...fields(task) });
  });
}

const stop = (store: Store, id: string) =>
  change(store, id, (task) => ({
    desiredState: TaskState.SHUTDOWN,
    status: { ...task.status, state: TaskState.SHUTDOWN },
  }));

test('a network - has the subnet, no gateway of its own, and virtual addresses from a part of no node', async () => {
  const { store, network, service } = await routed([]);
  expect(store.view().get('network', network.id)).toMatchObject({
    allocated: true,
    vni: 4097,
    ipam: [{ subnet: '10.1.0.0/24', gateway: '' }],
  });
  expect(store.view().get('service', service.id)?.endpoint.virtualIps).toMatchObject([{ address: '10.1.0.1/26' }]);
});

test('a network without VXLAN - takes no VNI', async () => {
  const { store, network } = await routed([], { backend: 'host-gw' });
  expect(store.view().get('network', network.id)).toMatchObject({ allocated: true, vni: 0 });
});

test('a task - waits without an address for its node, whose subnet then has one; the next of the node likewise', async () => {
  const { store, nodes, service, place, task, leases, settle, id } = await routed(['a', 'b']);
  const unplaced = id();
  await store.update((draft) =>
    draft.create(
      'task',
      newTask(service, { id: unplaced, slot: 1, nodeId: '', desiredState: TaskState.RUNNING, now: 0 }),
    ),
  );
  await settle();
  expect(task(unplaced)).toMatchObject({ status: { state: TaskState.PENDING }, networks: [{ addresses: [] }] });
  expect(leases()).toEqual([undefined, undefined]);
  const [a = '', b = ''] = nodes;
  const placed = [await place(b), await place(a), await place(b)];
  expect(placed.map((taskId) => task(taskId)?.networks[0])).toMatchObject([
    { addresses: ['10.1.0.66/26'], mac: '02:42:0a:01:00:42' },
    { addresses: ['10.1.0.130/26'] },
    { addresses: ['10.1.0.67/26'] },
  ]);
  expect(placed.map((taskId) => task(taskId)?.status.state)).toEqual(Array(3).fill(TaskState.ASSIGNED));
  expect(leases()).toMatchObject([
    { addresses: ['10.1.0.129/26'], mac: '02:42:0a:01:00:80' },
    { addresses: ['10.1.0.65/26'], mac: '02:42:0a:01:00:40' },
  ]);
});

test('an attachment - has its address at once, for it has its node', async () => {
  const { store, network, nodes, task, settle, id } = await routed(['a']);
  const made = id();
  const attachment = AttachmentSpec.create({ containerId: 'a'.repeat(64), containerName: 'box' });
  const networks = [NetworkAttachmentConfig.create({ target: network.id })];
  const status = TaskStatus.create({ state: TaskState.NEW });
  await store.update((draft) =>
    draft.create('task', {
      ...newTask(testService('x', 1), {
        id: made,
        slot: 0,
        nodeId: nodes[0] ?? '',
        desiredState: TaskState.RUNNING,
        now: 0,
      }),
      serviceId: '',
      spec: TaskSpec.create({ networks, attachment }),
      status,
    }),
  );
  await settle();
  expect(task(made)).toMatchObject({
    status: { state: TaskState.ASSIGNED },
    networks: [{ addresses: ['10.1.0.66/26'] }],
  });
});

test('no subnet left - the task says so, and has one when another node has left', async () => {
  const { store, nodes, place, task, leases, settle } = await routed(['a', 'b', 'c', 'd']);
  const placed: string[] = [];
  for (const node of nodes) placed.push(await place(node));
  const [, , , last = ''] = placed;
  expect(task(last)).toMatchObject({
    networks: [{ addresses: [] }],
    status: {
      state: TaskState.ASSIGNED,
      error: 'no free subnet in network "net" (all 3 of /26 in 10.1.0.0/24 are leased to nodes)',
    },
  });
  const leave = (state: NodeState, credentialDigest: Uint8Array) =>
    store.update((draft) => {
      const node = draft.get('node', nodes[1] ?? '');
      if (node) draft.update('node', { ...node, credentialDigest, status: { ...node.status, state } });
    });
  await leave(NodeState.DOWN, new Uint8Array([1]));
  await settle();
  expect(task(last)?.networks[0]?.addresses).toEqual([]);
  await leave(NodeState.DOWN, new Uint8Array());
  await settle();
  expect(task(last)).toMatchObject({ networks: [{ addresses: ['10.1.0.130/26'] }], status: { error: '' } });
  expect(leases().map((lease) => lease?.addresses[0])).toEqual([
    '10.1.0.65/26',
    undefined,
    '10.1.0.193/26',
    '10.1.0.129/26',
  ]);
  // The address of the one that left is somebody else's now, whatever becomes of its old owner.
  await stop(store, placed[1] ?? '');
  await settle();
  expect(task(await place(nodes[3] ?? ''))?.networks[0]?.addresses).toEqual(['10.1.0.131/26']);
});

test('a subnet - outlives the tasks of its node, and a change of the leader', async () => {
  const { store, nodes, place, task, leases, settle, books } = await routed(['a', 'b']);
  const [a = '', b = ''] = nodes;
  const first = await place(a);
  await place(b);
  await stop(store, first);
  await settle();
  expect(leases()[0]?.addresses).toEqual(['10.1.0.65/26']);
  expect(rebuilt(store)).toEqual(books());
  // Addresses go round: one that has just been freed is not given again at once.
  expect(task(await place(a))?.networks[0]?.addresses).toEqual(['10.1.0.67/26']);
});

test('a node or a network that is removed - leaves no lease', async () => {
  const { store, network, nodes, service, place, leases, settle, books } = await routed(['a', 'b']);
  const placed = [await place(nodes[0] ?? ''), await place(nodes[1] ?? '')];
  await store.update((draft) => draft.remove('node', nodes[0] ?? ''));
  await settle();
  expect(rebuilt(store)).toEqual(books());
  await store.update((draft) => {
    for (const id of placed) draft.remove('task', id);
    draft.remove('service', service.id);
    draft.remove('network', network.id);
  });
  await settle();
  expect(leases()).toEqual([undefined, undefined]);
  expect(rebuilt(store)).toEqual(books());
  expect(books().filter((line) => line.includes(network.id))).toEqual([]);
});
