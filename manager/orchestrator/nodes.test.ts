import { expect, test } from 'vitest';
import { NodeAvailability, NodeState, TaskState } from '../../proto/gen/index.js';
import { placed } from '../testing/placed.js';

type Swarm = Awaited<ReturnType<typeof placed>>;

async function running(replicas: number): Promise<Swarm & { readonly id: string; readonly ids: () => string[] }> {
  const swarm = await placed('node1', 'node2');
  const id = await swarm.add('web', replicas);
  await swarm.obey(id);
  const ids = () =>
    swarm
      .wanted(id)
      .map((task) => task.id)
      .sort();
  return { ...swarm, id, ids };
}

const availability = (value: NodeAvailability) => ({ spec: { availability: value } });

test('pause - tasks stay where they are, and none are added', async () => {
  const swarm = await running(2);
  const { id, ids } = swarm;
  const before = ids();
  await swarm.setNode('node2', availability(NodeAvailability.PAUSE));
  expect(ids()).toEqual(before);
  await swarm.change(id, (spec) => ({ ...spec, replicated: { replicas: 4 } }));
  await swarm.obey(id);
  expect(swarm.spread(id)).toEqual({ node1: 3, node2: 1 });
  const [onPaused] = swarm.wanted(id).filter(({ nodeId }) => nodeId === swarm.idOf('node2'));
  if (onPaused) await swarm.report(onPaused, TaskState.FAILED);
  await swarm.clock.advance(5_000);
  await swarm.settle();
  await swarm.obey(id);
  expect(swarm.spread(id)).toEqual({ node1: 4 });
});

test('drain and active - tasks leave, and come back only when there are new ones', async () => {
  const swarm = await running(2);
  const { id } = swarm;
  await swarm.setNode('node2', availability(NodeAvailability.DRAIN));
  await swarm.obey(id);
  expect(swarm.spread(id)).toEqual({ node1: 2 });
  await swarm.setNode('node2', availability(NodeAvailability.ACTIVE));
  await swarm.obey(id);
  expect(swarm.spread(id)).toEqual({ node1: 2 });
  await swarm.change(id, (spec) => ({ ...spec, replicated: { replicas: 4 } }));
  await swarm.obey(id);
  expect(swarm.spread(id)).toEqual({ node1: 2, node2: 2 });
});

test.each([NodeState.DISCONNECTED, NodeState.UNKNOWN])(
  'a node in state %i keeps its tasks, and has them when it is back',
  async (state) => {
    const swarm = await running(4);
    const before = swarm.ids();
    await swarm.setNode('node2', { state });
    await swarm.restart();
    await swarm.setNode('node2', { state: NodeState.READY });
    await swarm.obey(swarm.id);
    expect(swarm.ids()).toEqual(before);
  },
);

test('down - tasks are replaced at once; those that still run when the node is back are stopped', async () => {
  const swarm = await running(4);
  const { id } = swarm;
  const before = swarm.ids();
  await swarm.setNode('node2', { state: NodeState.DOWN });
  for (const task of swarm.wanted(id))
    if (task.status.state < TaskState.RUNNING) await swarm.report(task, TaskState.RUNNING);
  expect(swarm.spread(id)).toEqual({ node1: 4 });
  const left = swarm.tasks(id).filter(({ nodeId }) => nodeId === swarm.idOf('node2'));
  expect(left.map(({ desiredState, status }) => [desiredState, status.state])).toEqual([
    [TaskState.SHUTDOWN, TaskState.RUNNING],
    [TaskState.SHUTDOWN, TaskState.RUNNING],
  ]);
  await swarm.setNode('node2', { state: NodeState.READY });
  await swarm.obey(id);
  expect(swarm.spread(id)).toEqual({ node1: 4 });
  expect(
    swarm
      .tasks(id)
      .filter(({ id: task }) => before.includes(task))
      .map(({ status }) => status.state)
      .sort(),
  ).toEqual([TaskState.RUNNING, TaskState.RUNNING, TaskState.SHUTDOWN, TaskState.SHUTDOWN]);
});

test('down and removed - what was there is replaced, also when the managers change in between', async () => {
  const swarm = await running(4);
  const { id } = swarm;
  await swarm.setNode('node2', { state: NodeState.DOWN });
  await swarm.store.update((draft) => draft.remove('node', swarm.idOf('node2')));
  await swarm.restart();
  await swarm.obey(id);
  expect(swarm.spread(id)).toEqual({ node1: 4 });
});
