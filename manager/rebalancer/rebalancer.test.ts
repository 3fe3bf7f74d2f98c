import { expect, test } from 'vitest';
import { NodeAvailability, NodeState, RebalanceState, type ServiceSpec, UpdateConfig } from '../../proto/gen/index.js';
import { testTaskSpec } from '../testing/objects.js';
import { placed } from '../testing/placed.js';
import { beginRebalance, SETTLE } from './rebalancer.js';

type Swarm = Awaited<ReturnType<typeof placed>>;

/** A service of `replicas` that runs on node1 and node2, with node3 back since a moment ago. */
async function uneven(replicas = 6, fields: Partial<ServiceSpec> = {}) {
  const swarm = await placed('node1', 'node2', 'node3');
  await swarm.setNode('node3', { state: NodeState.DOWN });
  const id = await swarm.add('web', replicas, fields);
  await swarm.obey(id);
  expect(swarm.spread(id)).toEqual({ node1: replicas / 2, node2: replicas / 2 });
  await swarm.setNode('node3', { state: NodeState.READY });
  return { ...swarm, id };
}

async function begin({ store, clock, settle }: Swarm, id: string): Promise<void> {
  await store.update((draft) => beginRebalance(draft, id, '', clock.now()));
  await settle();
}

async function automatic({ store, settle }: Swarm): Promise<void> {
  await store.update((draft) => {
    const cluster = draft.cluster();
    draft.update('cluster', { ...cluster, spec: { ...cluster.spec, autoRebalance: true } });
  });
  await settle();
}

test('moves one after the other, start-first, until it is even', async () => {
  const swarm = await uneven();
  const { id, obeyOnce, wanted, spread, service } = swarm;
  await begin(swarm, id);
  expect(wanted(id)).toHaveLength(7);
  for (let rounds = 0; await obeyOnce(id); rounds++) {
    expect(rounds).toBeLessThan(20);
    const running = Object.values(spread(id)).reduce((a, b) => a + b);
    expect(running).toBeGreaterThanOrEqual(6);
    expect(wanted(id).length).toBeLessThanOrEqual(7);
  }
  expect(spread(id)).toEqual({ node1: 2, node2: 2, node3: 2 });
  expect(service(id)?.rebalance).toMatchObject({
    state: RebalanceState.COMPLETED,
    moved: 2,
    message: '2 tasks moved',
  });
});

test('moves as many at a time as an update replaces', async () => {
  const swarm = await uneven(12, { update: UpdateConfig.create({ parallelism: 3 }) });
  await begin(swarm, swarm.id);
  expect(swarm.wanted(swarm.id)).toHaveLength(15);
  await swarm.obey(swarm.id);
  expect(swarm.spread(swarm.id)).toEqual({ node1: 4, node2: 4, node3: 4 });
});

test('goes on over changes of leader', async () => {
  const swarm = await uneven();
  const { id } = swarm;
  await begin(swarm, id);
  await swarm.restart();
  expect(swarm.wanted(id)).toHaveLength(7);
  while (await swarm.obeyOnce(id)) await swarm.restart();
  expect(swarm.spread(id)).toEqual({ node1: 2, node2: 2, node3: 2 });
  expect(swarm.service(id)?.rebalance).toMatchObject({ state: RebalanceState.COMPLETED, moved: 2 });
});

test('a task that fails where it is moved to ends it: the old one has not stopped', async () => {
  const swarm = await uneven();
  const { id } = swarm;
  const old = swarm.wanted(id).map((task) => task.id);
  await begin(swarm, id);
  await swarm.obey(id, ({ nodeId }) => nodeId === swarm.idOf('node3'));
  expect(swarm.wanted(id).map((task) => task.id)).toEqual(old);
  expect(swarm.wanted(id).filter((task) => task.moveTo !== '')).toEqual([]);
  expect(swarm.service(id)?.rebalance).toMatchObject({ state: RebalanceState.STOPPED, moved: 0 });
  expect(swarm.service(id)?.rebalance?.message).toMatch(/^web\.\d does not start on node3: /);
  await swarm.clock.advance(1);
  await begin(swarm, id);
  await swarm.clock.advance(5_000); // the delay of a restart
  await swarm.settle();
  await swarm.obey(id);
  expect(swarm.spread(id)).toEqual({ node1: 2, node2: 2, node3: 2 });
});

test('the node goes again before the task runs there: the old one stays', async () => {
  const swarm = await uneven();
  const { id } = swarm;
  await begin(swarm, id);
  await swarm.setNode('node3', { state: NodeState.DOWN });
  await swarm.obey(id);
  expect(swarm.spread(id)).toEqual({ node1: 3, node2: 3 });
  expect(swarm.wanted(id)).toHaveLength(6);
  expect(swarm.service(id)?.rebalance?.state).not.toBe(RebalanceState.MOVING);
});

test('the old task ends while its heir is on its way: the heir takes its place', async () => {
  const swarm = await uneven();
  const { id } = swarm;
  await begin(swarm, id);
  await swarm.setNode('node1', { state: NodeState.DOWN });
  await swarm.obey(id);
  expect(swarm.spread(id)).toEqual({ node2: 3, node3: 3 });
  expect(swarm.wanted(id)).toHaveLength(6);
});

test('while the service is updated nothing is moved; after it, the rest', async () => {
  const swarm = await uneven();
  const { id } = swarm;
  await swarm.change(id, (spec) => ({ ...spec, task: testTaskSpec('web:2') }));
  await begin(swarm, id);
  expect(swarm.tasks(id).filter((task) => task.moveTo !== '')).toEqual([]);
  await swarm.obey(id);
  expect(swarm.service(id)?.rebalance?.state).toBe(RebalanceState.MOVING);
  for (let i = 0; i < 6; i++) {
    await swarm.clock.advance(6_000);
    await swarm.settle();
    await swarm.obey(id);
  }
  expect(swarm.spread(id)).toEqual({ node1: 2, node2: 2, node3: 2 });
  expect(swarm.wanted(id).every((task) => task.spec.container.image === 'web:2')).toBe(true);
  expect(swarm.service(id)?.rebalance?.state).toBe(RebalanceState.COMPLETED);
});

test('an update that begins while a task is moved replaces both, and each slot has one in the end', async () => {
  const swarm = await uneven();
  const { id } = swarm;
  await begin(swarm, id);
  await swarm.change(id, (spec) => ({ ...spec, task: testTaskSpec('web:2') }));
  for (let i = 0; i < 9; i++) {
    await swarm.obey(id);
    await swarm.clock.advance(6_000);
    await swarm.settle();
  }
  await swarm.obey(id);
  expect(
    swarm
      .wanted(id)
      .map(({ slot }) => slot)
      .sort(),
  ).toEqual([1, 2, 3, 4, 5, 6]);
  expect(swarm.wanted(id).every((task) => task.spec.container.image === 'web:2')).toBe(true);
});

test('by itself: not at all unless asked for, else when a node has been back for a while', async () => {
  const swarm = await uneven();
  const { id, clock, settle } = swarm;
  await clock.advance(2 * SETTLE);
  await settle();
  expect(swarm.service(id)?.rebalance).toBeUndefined();

  await automatic(swarm);
  await clock.advance(SETTLE - 1);
  await settle();
  expect(swarm.service(id)?.rebalance).toBeUndefined();
  await clock.advance(1);
  await settle();
  await swarm.obey(id);
  expect(swarm.spread(id)).toEqual({ node1: 2, node2: 2, node3: 2 });

  await swarm.setNode('node2', { spec: { availability: NodeAvailability.DRAIN } });
  await swarm.obey(id);
  expect(swarm.spread(id)).toEqual({ node1: 3, node3: 3 });
  await swarm.setNode('node2', { spec: { availability: NodeAvailability.ACTIVE } });
  await clock.advance(SETTLE);
  await settle();
  await swarm.obey(id);
  expect(swarm.spread(id)).toEqual({ node1: 2, node2: 2, node3: 2 });
  expect(swarm.service(id)?.rebalance?.message).toBe('2 tasks moved (after node2 became available)');
});

test('by itself: not to a node that goes again soon', async () => {
  const swarm = await uneven();
  await automatic(swarm);
  for (let i = 0; i < 3; i++) {
    await swarm.setNode('node3', { state: NodeState.DOWN });
    await swarm.setNode('node3', { state: NodeState.READY });
    await swarm.clock.advance(SETTLE / 2);
    await swarm.settle();
  }
  await swarm.setNode('node3', { state: NodeState.DOWN });
  expect(swarm.tasks(swarm.id).filter((task) => task.moveTo !== '')).toEqual([]);
  expect(swarm.service(swarm.id)?.rebalance).toBeUndefined();
});
