import assert from 'node:assert/strict';
import { ManualClock } from '../../lib/clock.js';
import { newId } from '../../lib/ids.js';
import {
  ContainerSpec,
  CreateServiceRequest,
  EndpointSpec,
  type Filter,
  NetworkAttachmentConfig,
  Node,
  NodeDescription,
  NodeState,
  PortConfig,
  ServiceSpec,
  Task,
  TaskSpec,
  TaskState,
  TaskStatus,
} from '../../proto/gen/index.js';
import { bootstrapSwarm } from '../bootstrap.js';
import type { MemoryStore } from '../store/memory-store.js';
import { openTestStore } from '../store/testing.js';
import { testRoster } from '../testing/sole-member.js';
import { controlHandlers } from './handlers.js';

/** A call from the local socket. */
export const context = {
  signal: new AbortController().signal,
  peer: 'unix',
  credential: undefined,
  requestId: 'request1',
};

/** Control over a swarm that has just been made: node1 is its manager, 203.0.113.1. */
export async function openControl() {
  const clock = new ManualClock();
  const store = await openTestStore({ clock });
  await bootstrapSwarm(
    store,
    {
      nodeId: newId(),
      credential: Buffer.alloc(32),
      address: '203.0.113.1:2377',
      dataPathAddress: '203.0.113.1',
      description: NodeDescription.create({ hostname: 'node1' }),
    },
    clock.now(),
  );
  const logs = { read: () => assert.fail('no test reads logs here') };
  const control = controlHandlers(store, { clock, managers: testRoster(store), logs });
  const create = async (fields: Partial<ServiceSpec> & { ports?: Partial<PortConfig>[]; networks?: string[] } = {}) =>
    (await control.createService(CreateServiceRequest.create({ spec: specOf(fields) }), context)).service;
  return { store, clock, control, create };
}

export function specOf(
  fields: Partial<ServiceSpec> & { ports?: Partial<PortConfig>[]; networks?: string[] } = {},
): ServiceSpec {
  const { ports = [], networks = [], ...rest } = fields;
  return ServiceSpec.create({
    name: 'web',
    replicated: { replicas: 1 },
    task: TaskSpec.create({
      container: ContainerSpec.create({ image: 'web:1' }),
      networks: networks.map((target) => NetworkAttachmentConfig.create({ target })),
    }),
    endpoint: EndpointSpec.create({ ports: ports.map((port) => PortConfig.create({ targetPort: 80, ...port })) }),
    ...rest,
  });
}

export const filter = (key: string, ...values: string[]): Filter => ({ key, values });

export async function addNode(store: MemoryStore, hostname: string, state: NodeState = NodeState.READY) {
  const description = NodeDescription.create({ hostname });
  const node = Node.create({ id: newId(), description });
  await store.update((draft) => draft.create('node', { ...node, status: { ...node.status, state } }));
  return node.id;
}

export async function addTask(store: MemoryStore, fields: Partial<Task>, state: TaskState = TaskState.RUNNING) {
  const task = Task.create({
    id: newId(),
    slot: 1,
    status: TaskStatus.create({ state }),
    desiredState: TaskState.RUNNING,
    ...fields,
  });
  await store.update((draft) => draft.create('task', task));
  return task;
}
