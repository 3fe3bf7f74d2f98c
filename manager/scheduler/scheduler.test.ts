import { expect, test } from 'vitest';
import { newId } from '../../lib/ids.js';
import { NodeAvailability, NodeState, Restarts, type Service, type Task, TaskState } from '../../proto/gen/index.js';
import { newTask } from '../common/tasks.js';
import type { Store } from '../store/store.js';
import { runLoops } from '../testing/loops.js';
import { testCluster, testNode, testService, testTaskSpec } from '../testing/objects.js';
import { FAILURE_WINDOW } from './node-info.js';
import { Scheduler } from './scheduler.js';

async function addPending(store: Store, service: Service, count: number, nodeId = ''): Promise<readonly string[]> {
  const ids = Array.from({ length: count }, () => newId());
  await store.batch(ids, (draft, id) => {
    const task = newTask(service, { id, slot: 1, nodeId, desiredState: TaskState.RUNNING, now: 0 });
    draft.create('task', { ...task, status: { ...task.status, state: TaskState.PENDING } });
  });
  return ids;
}

const memory = (memoryBytes: number) => {
  const spec = testTaskSpec('web');
  return { ...spec, resources: { ...spec.resources, reservations: { memoryBytes, nanoCpus: 0, generic: [] } } };
};

const stateOf = (task: Task | undefined): number => task?.status.state ?? TaskState.NEW;

async function swarm(...names: readonly string[]) {
  const loops = await runLoops(Scheduler);
  const { store, settle } = loops;
  const nodes = names.map((name) => testNode(name));
  await store.update((draft) => [draft.create('cluster', testCluster()), nodes.map((n) => draft.create('node', n))]);
  await settle();
  const setNode = async (id: string, state: NodeState, availability: NodeAvailability = NodeAvailability.ACTIVE) => {
    await store.update((draft) => {
      const node = draft.get('node', id);
      if (node)
        draft.update('node', { ...node, status: { ...node.status, state }, spec: { ...node.spec, availability } });
    });
    await settle();
  };
  const get = (id = ''): Task | undefined => store.view().get('task', id);
  return { ...loops, nodes, setNode, get };
}

test('assigns - over all nodes, as the scheduler, without an error', async () => {
  const { store, settle, get, nodes } = await swarm('node1', 'node2', 'node3');
  const ids = await addPending(store, testService('web', 6), 6);
  await settle();
  const perNode = nodes.map(({ id }) => [...store.view().tasksOfNode(id)].length);
  expect(perNode).toEqual([2, 2, 2]);
  expect(get(ids[0])?.status).toMatchObject({ state: TaskState.ASSIGNED, error: '' });
});

test('waits - says why, and goes on when a node becomes ready', async () => {
  const { store, settle, clock, get, nodes, setNode } = await swarm('node1');
  await setNode(nodes[0]?.id ?? '', NodeState.DOWN);
  const [id] = await addPending(store, testService('web', 1), 1);
  await settle();
  expect(get(id)?.status).toMatchObject({
    state: TaskState.PENDING,
    error: 'no suitable node (1 node not available for new tasks: node1 down)',
  });
  await setNode(nodes[0]?.id ?? '', NodeState.READY);
  await clock.advance(100);
  await settle();
  expect(get(id)).toMatchObject({ nodeId: nodes[0]?.id, status: { state: TaskState.ASSIGNED, error: '' } });
});

test('waits - for resources, until a task that has them stops', async () => {
  const { store, settle, clock, get, report } = await swarm('node1');
  const ids = await addPending(store, testService('big', 2, { task: memory(3 * 2 ** 30) }), 2);
  await settle();
  const [first, second] = ids.map((id) => get(id)).sort((a, b) => stateOf(b) - stateOf(a));
  expect(second?.status.error).toBe('no suitable node (insufficient resources on 1 node: memory)');
  if (first) await report(first, TaskState.SHUTDOWN);
  await clock.advance(100);
  await settle();
  expect(get(second?.id)?.status.state).toBe(TaskState.ASSIGNED);
});

test("waits - no longer when the machine's clock is set back meanwhile", async () => {
  const { store, settle, clock, get, nodes, setNode } = await swarm('node1');
  const [node] = nodes;
  await setNode(node?.id ?? '', NodeState.DOWN);
  const [id] = await addPending(store, testService('web', 1), 1);
  await settle();
  // It has just been tried again when the clock is set.
  await setNode(node?.id ?? '', NodeState.DOWN, NodeAvailability.PAUSE);
  await settle();
  clock.set(clock.now() - 600_000);
  await setNode(node?.id ?? '', NodeState.READY);
  await clock.advance(100);
  await settle();
  expect(get(id)?.status.state).toBe(TaskState.ASSIGNED);
});

test('checks - a task made for one node waits for that node alone', async () => {
  const { store, settle, clock, get, nodes, setNode } = await swarm('node1', 'node2');
  const [node1] = nodes;
  await setNode(node1?.id ?? '', NodeState.READY, NodeAvailability.PAUSE);
  const [id] = await addPending(store, testService('agent', 1), 1, node1?.id);
  await settle();
  expect(get(id)?.status).toMatchObject({
    state: TaskState.PENDING,
    error: 'no suitable node (1 node not available for new tasks: node1 paused)',
  });
  await setNode(node1?.id ?? '', NodeState.READY);
  await clock.advance(100);
  await settle();
  expect(get(id)?.status.state).toBe(TaskState.ASSIGNED);
});

test('checks - a constraint that does not parse is told, not thrown', async () => {
  const { store, settle, get } = await swarm('node1');
  const spec = testTaskSpec('web');
  const task = { ...spec, placement: { ...spec.placement, constraints: ['node.colour==red'] } };
  const [id] = await addPending(store, testService('web', 1, { task }), 1);
  await settle();
  expect(get(id)?.status.error).toBe('constraint "node.colour==red": there is no node property "node.colour"');
});

test('failures - a node on which a service keeps failing is left alone, also by the next leader', async () => {
  const { store, settle, restart, get, nodes, clock } = await swarm('node1', 'node2');
  const [bad, good] = nodes.map(({ id }) => id);
  const web = testService('web', 4);
  // Two slots, of which the one has failed thrice on the node and the other twice.
  const successor = (slot: number, failures: number) => {
    const recent = Array.from({ length: failures }, (_, i) => ({ nodeId: bad ?? '', at: clock.now() - i * 1000 }));
    const restarts = Restarts.create({ failures, recent });
    return newTask(web, { id: newId(), slot, nodeId: '', desiredState: TaskState.READY, now: 0, restarts });
  };
  await store.update((draft) => [draft.create('task', successor(1, 3)), draft.create('task', successor(2, 2))]);
  await restart();
  const chosen = async () => {
    const ids = await addPending(store, web, 2);
    await settle();
    return ids.map((id) => get(id)?.nodeId);
  };
  expect(await chosen()).toEqual([good, good]);
  expect(new Set(await chosen())).toEqual(new Set([good]));
  await clock.advance(FAILURE_WINDOW);
  expect(new Set(await chosen())).toEqual(new Set([bad]));
});

test('failures - counted as they happen', async () => {
  const { store, settle, get, nodes, report } = await swarm('node1', 'node2');
  const web = testService('web', 4);
  const [bad] = nodes;
  for (let i = 0; i < 5; i++) {
    const [id] = await addPending(store, web, 1, bad?.id);
    await settle();
    const task = get(id);
    if (task) await report(task, TaskState.FAILED);
  }
  const ids = await addPending(store, web, 3);
  await settle();
  expect(ids.map((id) => get(id)?.nodeId)).not.toContain(bad?.id);
});

test('restart - a new leader waits for the nodes it has not heard of, and not for long', async () => {
  const { store, settle, away, clock, nodes, setNode } = await swarm('node1', 'node2', 'node3', 'node4');
  const nodeOf = (ids: readonly string[]) => ids.map((id) => store.view().get('task', id)?.nodeId).sort();
  const [first, second, third] = nodes.map(({ id }) => id).sort();
  let ids: readonly string[] = [];
  await away(async () => {
    await store.update((draft) => {
      for (const { id } of nodes) {
        const node = draft.get('node', id);
        if (node) draft.update('node', { ...node, status: { ...node.status, state: NodeState.UNKNOWN } });
      }
    });
    ids = await addPending(store, testService('web', 3), 3);
  });
  await setNode(first ?? '', NodeState.READY);
  await clock.advance(300);
  await settle();
  expect(nodeOf(ids)).toEqual(['', '', '']);
  await setNode(second ?? '', NodeState.READY);
  await setNode(third ?? '', NodeState.READY);
  // The fourth one has died with the former leader.
  await clock.advance(700);
  await settle();
  expect(nodeOf(ids)).toEqual([first, second, third]);
});

test('restart - knows what nodes have from the store', async () => {
  const { store, settle, restart, get } = await swarm('node1');
  await addPending(store, testService('big', 1, { task: memory(3 * 2 ** 30) }), 1);
  await settle();
  await restart();
  const [id] = await addPending(store, testService('big2', 1, { task: memory(3 * 2 ** 30) }), 1);
  await settle();
  expect(get(id)?.status.error).toBe('no suitable node (insufficient resources on 1 node: memory)');
});
