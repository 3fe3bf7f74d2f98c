import { expect, test } from 'vitest';
import { NodeAvailability, NodeState, type ServiceSpec, UpdateConfig, UpdateOrder } from '../../proto/gen/index.js';
import { placed } from '../testing/placed.js';

const startFirst: Partial<ServiceSpec> = { update: UpdateConfig.create({ order: UpdateOrder.START_FIRST }) };
const drain = { spec: { availability: NodeAvailability.DRAIN } };

test('drain, start-first - a task goes on until another one runs in its place', async () => {
  const swarm = await placed('node1', 'node2', 'node3');
  const id = await swarm.add('web', 3, startFirst);
  await swarm.obey(id);
  await swarm.setNode('node1', drain);
  expect(swarm.spread(id)).toEqual({ node1: 1, node2: 1, node3: 1 });
  expect(swarm.wanted(id)).toHaveLength(4);
  await swarm.obey(id);
  expect(Object.values(swarm.spread(id)).reduce((a, b) => a + b)).toBe(3);
  expect(swarm.spread(id).node1).toBeUndefined();
  expect(swarm.wanted(id)).toHaveLength(3);
});

test('drain, start-first - it goes on for as long as no other node has room, and stays when the node is active again', async () => {
  const swarm = await placed('node1', 'node2');
  await swarm.setNode('node2', { state: NodeState.DOWN });
  const id = await swarm.add('web', 2, startFirst);
  await swarm.obey(id);
  const old = swarm.wanted(id).map((task) => task.id);
  await swarm.setNode('node1', drain);
  await swarm.restart();
  await swarm.obey(id);
  expect(swarm.spread(id)).toEqual({ node1: 2 });
  expect(swarm.wanted(id).filter(({ status }) => status.error.startsWith('no suitable node'))).toHaveLength(2);
  await swarm.setNode('node1', { spec: { availability: NodeAvailability.ACTIVE } });
  await swarm.obey(id);
  expect(swarm.wanted(id).map((task) => task.id)).toEqual(old);
});

test('drain, start-first - a successor that fails is restarted after the delay, and the old one goes on', async () => {
  const swarm = await placed('node1', 'node2');
  await swarm.setNode('node2', drain);
  const id = await swarm.add('web', 1, startFirst);
  await swarm.obey(id);
  await swarm.setNode('node2', { spec: { availability: NodeAvailability.ACTIVE } });
  await swarm.setNode('node1', drain);
  const failing = ({ nodeId }: { nodeId: string }) => nodeId === swarm.idOf('node2');
  await swarm.obey(id, failing);
  expect(swarm.spread(id)).toEqual({ node1: 1 });
  for (const seconds of [5, 5, 5, 10]) {
    const waiting = swarm.wanted(id).find((task) => task.replaces !== '');
    expect(waiting?.startAfter).toBe(swarm.clock.now() + seconds * 1000);
    await swarm.clock.advance(seconds * 1000);
    await swarm.settle();
    await swarm.obey(id, failing);
    expect(swarm.spread(id)).toEqual({ node1: 1 });
  }
  await swarm.clock.advance(20_000);
  await swarm.settle();
  await swarm.obey(id);
  expect(swarm.spread(id)).toEqual({ node2: 1 });
});

test('drain, start-first - the node is lost before the successor runs: the successor is all there is', async () => {
  const swarm = await placed('node1', 'node2');
  await swarm.setNode('node2', drain);
  const id = await swarm.add('web', 1, startFirst);
  await swarm.obey(id);
  await swarm.setNode('node2', { spec: { availability: NodeAvailability.ACTIVE } });
  await swarm.setNode('node1', drain);
  await swarm.setNode('node1', { state: NodeState.DOWN });
  expect(swarm.wanted(id)).toHaveLength(1);
  await swarm.obey(id);
  expect(swarm.spread(id)).toEqual({ node2: 1 });
});

test('drain, start-first - scaled down meanwhile, both tasks of the slot go', async () => {
  const swarm = await placed('node1', 'node2');
  const id = await swarm.add('web', 2, startFirst);
  await swarm.obey(id);
  await swarm.setNode('node1', drain);
  await swarm.change(id, (spec) => ({ ...spec, replicated: { replicas: 0 } }));
  await swarm.obey(id);
  expect(swarm.wanted(id)).toEqual([]);
});
