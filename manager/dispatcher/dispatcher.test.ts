import { isDeepStrictEqual } from 'node:util';
import { expect, test, vi } from 'vitest';
import { seeded } from '../../lib/seeded-random.js';
import {
  AssignmentsMessageType,
  EndpointMode,
  type EndpointRecord,
  EndpointState,
  NetworkAttachmentConfig,
  NodeProblem,
  NodeState,
  PortConfig,
  type Task,
  TaskState,
} from '../../proto/gen/index.js';
import { occupiesNode } from '../common/tasks.js';
import type { ReadView } from '../store/store.js';
import type { FakeAgent } from '../testing/fake-agent.js';
import { changeSpec, testNetwork, testTaskSpec } from '../testing/objects.js';
import { TestSwarm } from '../testing/swarm.js';
import { networkRecord, nodeEndpoints, serviceNetworks, serviceRecord, taskEndpoints } from './records.js';

// Other tests share the machine.
vi.setConfig({ testTimeout: 60_000 });

const published = (publishedPort: number) => ({
  endpoint: { mode: EndpointMode.VIP, ports: [PortConfig.create({ targetPort: 80, publishedPort })] },
});
const on = (...ids: string[]) =>
  testTaskSpec('web', { networks: ids.map((target) => NetworkAttachmentConfig.create({ target })) });

/** All that a node has to know, worked out from the whole state; tasks without what the node itself reports. */
function expectedOf(view: ReadView, nodeId: string): Map<string, unknown> {
  const set = new Map<string, unknown>();
  const networks = new Set(view.get('node', nodeId)?.attachments.map((a) => a.networkId));
  for (const task of view.tasksOfNode(nodeId)) {
    if (task.status.state < TaskState.ASSIGNED) continue;
    set.set(`task ${task.id}`, stable(task));
    if (occupiesNode(task)) for (const { networkId } of task.networks) networks.add(networkId);
  }
  const ingress = [...view.list('network')].find((network) => network.spec.ingress)?.id;
  const endpoints = [
    ...[...view.list('task')].flatMap((task) => taskEndpoints(task, view.get('node', task.nodeId))),
    ...(housesPublished(view, nodeId) ? [...view.list('node')].flatMap(nodeEndpoints) : []),
  ];
  for (const record of endpoints) if (networks.has(record.networkId)) set.set(`endpoint ${record.id}`, record);
  for (const id of networks) {
    const network = view.get('network', id);
    if (network?.allocated) set.set(`network ${id}`, networkRecord(network));
  }
  for (const service of view.list('service')) {
    const isKnown = serviceNetworks(service, ingress).some((id) => networks.has(id));
    if (isKnown) set.set(`service ${service.id}`, serviceRecord(service));
  }
  return set;
}

/** What comes from outside to such a task comes out of every node's ingress_sbox. */
function housesPublished(view: ReadView, nodeId: string): boolean {
  const isIngress = (id: string) => view.get('network', id)?.spec.ingress === true;
  return [...view.tasksOfNode(nodeId)].some(
    (task) => occupiesNode(task) && task.networks.some(({ networkId }) => isIngress(networkId)),
  );
}

const stable = (task: Task) => ({ ...task, meta: undefined, status: undefined });

function knownOf(agent: FakeAgent): Map<string, unknown> {
  return new Map(
    [...agent.assigned].map(([key, item]) => [key, key.startsWith('task ') ? stable(item as Task) : item]),
  );
}

function difference(swarm: TestSwarm, agent: FakeAgent): string[] {
  const [expected, known] = [expectedOf(swarm.store.view(), agent.nodeId), knownOf(agent)];
  const keys = new Set([...expected.keys(), ...known.keys()]);
  // A node that had such a task goes on hearing of sandboxes.
  const sandboxes = new Map(
    [...swarm.store.view().list('node')].flatMap(nodeEndpoints).map((record) => [`endpoint ${record.id}`, record]),
  );
  const isKept = (key: string) => !expected.has(key) && isDeepStrictEqual(sandboxes.get(key), known.get(key));
  return [...keys].filter((key) => !isDeepStrictEqual(expected.get(key), known.get(key)) && !isKept(key));
}

async function agree(swarm: TestSwarm, agents = swarm.agents): Promise<void> {
  const wrong = () => agents.flatMap((agent) => difference(swarm, agent));
  await swarm.until(
    () => wrong().length === 0,
    15_000,
    () => wrong().slice(0, 5),
  );
}

function endpointsAt(agent: FakeAgent, state: EndpointState): string[] {
  const records = [...agent.assigned]
    .filter(([key]) => key.startsWith('endpoint '))
    .map(([, item]) => item as EndpointRecord);
  return records.filter((record) => record.taskId !== '' && record.state === state).map((record) => record.taskId);
}

test('session - tells the node of itself and of the swarm, and makes it ready', async () => {
  const swarm = await TestSwarm.start(1);
  const [agent] = swarm.agents;
  await swarm.until(() => (agent?.session?.node.attachments.length ?? 0) > 0);
  expect(agent?.session).toMatchObject({ heartbeatPeriod: 1_000, dataPathPort: 4789, node: { id: agent?.nodeId } });
  const node = swarm.store.view().get('node', agent?.nodeId ?? '');
  expect(node).toMatchObject({ status: { state: NodeState.READY }, dataPathAddress: '203.0.113.9' });
});

test('data path - others learn the address that a node gives, of its tasks and its own, and when it has another', async () => {
  const swarm = await TestSwarm.start(2);
  const [moving, other] = swarm.agents;
  if (!moving || !other) throw new RangeError('two agents were expected');
  const net = testNetwork('net');
  await swarm.store.update((draft) => draft.create('network', net));
  const web = await swarm.create('web', 2, { ...published(8080), task: on(net.id) });
  await swarm.until(() => swarm.running(web.id).length === 2);
  // Each has a task.
  expect(new Set(swarm.running(web.id).map(({ nodeId }) => nodeId)).size).toBe(2);
  const tunnels = () =>
    ([...other.assigned.values()] as EndpointRecord[])
      .filter(
        ({ nodeId, networkId, vtep }) => nodeId === moving.nodeId && networkId !== undefined && vtep !== undefined,
      )
      .map(({ vtep }) => vtep);
  // In the ingress network the node itself and its task, in the other one the task.
  await swarm.until(() => isDeepStrictEqual(tunnels(), Array(3).fill('203.0.113.9')), 10_000, tunnels);
  await moving.vanish();
  moving.dataPathAddress = '203.0.113.77';
  await moving.connect();
  await swarm.until(() => isDeepStrictEqual(tunnels(), Array(3).fill('203.0.113.77')), 10_000, tunnels);
});

test('calls - those of a session that another one has replaced are refused', async () => {
  const swarm = await TestSwarm.start(1);
  const [agent] = swarm.agents;
  const old = agent?.session?.sessionId;
  await agent?.vanish();
  await agent?.connect();
  await agent?.report('x', TaskState.RUNNING);
  await expect(agent?.report('x', TaskState.RUNNING, old)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
});

test('scale - from 0 to 1000 tasks on 20 nodes and back, every agent told of just what it has to know', {
  timeout: 300_000,
}, async () => {
  // However busy the machine is, no node is taken for dead.
  const swarm = await TestSwarm.start(20, 60_000);
  const web = await swarm.create('web', 0);
  await changeSpec(swarm.store, web.id, (spec) => ({ ...spec, replicated: { replicas: 1000 } }));
  await swarm.until(
    () => swarm.running(web.id).length === 1000,
    120_000,
    () => swarm.running(web.id).length,
  );
  expect(new Set(swarm.agents.map((agent) => agent.tasks().length))).toEqual(new Set([50]));
  await agree(swarm);
  await changeSpec(swarm.store, web.id, (spec) => ({ ...spec, replicated: { replicas: 10 } }));
  await swarm.until(
    () => swarm.tasks(web.id).length === 10,
    120_000,
    () => swarm.tasks(web.id).length,
  );
  await agree(swarm);
});

test('publish - 5 replicas get through, and every node knows them as serving', async () => {
  const swarm = await TestSwarm.start(3);
  const web = await swarm.create('web', 5, published(8080));
  await swarm.until(() => swarm.running(web.id).length === 5);
  await agree(swarm);
  for (const agent of swarm.agents) expect(endpointsAt(agent, EndpointState.SERVING)).toHaveLength(5);
});

test('publish - only nodes that have had a published task hear of the other nodes’ sandboxes', async () => {
  const swarm = await TestSwarm.start(3);
  const sandboxesAt = (agent: FakeAgent) =>
    [...agent.assigned.values()].flatMap((item) => {
      const { id = '', taskId, vtep } = item as Partial<EndpointRecord>;
      return taskId === '' && vtep !== undefined ? [id.slice(id.indexOf('/') + 1)] : [];
    });
  const all = () => [...swarm.store.view().list('node')].map(({ id }) => id).sort();
  await swarm.until(() => [...swarm.store.view().list('node')].every(({ attachments }) => attachments.length === 1));
  const web = await swarm.create('web', 1, published(8080));
  await swarm.until(() => swarm.running(web.id).length === 1);
  await agree(swarm);
  const [task] = swarm.running(web.id);
  const own = swarm.agents.find(({ nodeId }) => nodeId === task?.nodeId);
  if (!own) throw new RangeError('the task is on no node');
  const told = () => swarm.agents.map((agent) => sandboxesAt(agent).sort());
  expect(told()).toEqual(swarm.agents.map((agent) => (agent === own ? all() : [])));
  // One more node, and one that goes.
  await swarm.join('node4');
  await swarm.until(() => sandboxesAt(own).length === 4);
  const gone = swarm.agents.find((agent) => agent !== own);
  await gone?.vanish();
  await swarm.store.update((draft) => draft.remove('node', gone?.nodeId ?? ''));
  await swarm.until(() => sandboxesAt(own).length === 3);
  expect(sandboxesAt(own).sort()).toEqual(all());
  expect(swarm.agents.filter((agent) => agent !== own && agent !== gone).flatMap(sandboxesAt)).toEqual([]);
});

test('networks - only nodes with an endpoint in it know of a network', async () => {
  const swarm = await TestSwarm.start(3);
  const net = testNetwork('net');
  await swarm.store.update((draft) => draft.create('network', net));
  const web = await swarm.create('web', 1, { task: on(net.id) });
  await swarm.until(() => swarm.running(web.id).length === 1);
  await agree(swarm);
  expect(swarm.agents.filter((agent) => agent.assigned.has(`network ${net.id}`))).toHaveLength(1);
  await swarm.store.update((draft) => draft.remove('service', web.id));
  await swarm.until(() => swarm.tasks(web.id).length === 0);
  await agree(swarm);
  expect(swarm.agents.filter((agent) => agent.assigned.has(`network ${net.id}`))).toHaveLength(0);
});

test('reports - states never move backwards, and only the node of a task reports on it', async () => {
  const swarm = await TestSwarm.start(2);
  const web = await swarm.create('web', 1);
  await swarm.until(() => swarm.running(web.id).length === 1);
  const [task] = swarm.running(web.id);
  const [own, other] = [...swarm.agents].sort((a) => (a.nodeId === task?.nodeId ? -1 : 1));
  const id = task?.id ?? '';
  await own?.report(id, TaskState.PREPARING);
  await other?.report(id, TaskState.FAILED);
  await own?.report('unknown', TaskState.RUNNING);
  expect(swarm.store.view().get('task', id)?.status.state).toBe(TaskState.RUNNING);
});

test('problems - what a node cannot do is kept with it until it can', async () => {
  const swarm = await TestSwarm.start(1);
  const [agent] = swarm.agents;
  const problems = () => swarm.store.view().get('node', agent?.nodeId ?? '')?.problems;
  if (agent) agent.problems = [NodeProblem.create({ subject: 'network ingress', message: 'vxlan0: File exists' })];
  await agent?.acknowledge();
  expect(problems()).toMatchObject([{ subject: 'network ingress', message: 'vxlan0: File exists' }]);
  if (agent) agent.problems = [];
  await agent?.acknowledge();
  expect(problems()).toEqual([]);
});

test('node loss - a silent node is down after the grace period, its tasks run elsewhere, its endpoints are gone', async () => {
  const swarm = await TestSwarm.start(3, 200);
  const web = await swarm.create('web', 6, published(8080));
  await swarm.until(() => swarm.running(web.id).length === 6);
  const [lost, ...others] = swarm.agents;
  await lost?.vanish();
  const gone = swarm.running(web.id).filter((task) => task.nodeId === lost?.nodeId);
  expect(gone).toHaveLength(2);
  await swarm.until(() => swarm.store.view().get('node', lost?.nodeId ?? '')?.status.state === NodeState.DOWN);
  await swarm.until(() => swarm.running(web.id).filter((task) => task.nodeId !== lost?.nodeId).length === 6);
  await agree(swarm, others);
  for (const agent of others) {
    expect(endpointsAt(agent, EndpointState.SERVING)).toHaveLength(6);
    for (const { id } of gone) expect(agent.assigned.has(`endpoint ${swarm.ingress.id}/${id}`)).toBe(false);
    // Its kernel may still take connections, whose answers have to find back to it.
    expect(agent.assigned.has(`endpoint ${swarm.ingress.id}/${lost?.nodeId}`)).toBe(true);
  }
  await lost?.connect();
  await swarm.until(() => swarm.store.view().get('node', lost?.nodeId ?? '')?.status.state === NodeState.READY);
  await swarm.until(() =>
    gone.every(({ id }) => swarm.store.view().get('task', id)?.status.state === TaskState.SHUTDOWN),
  );
  await agree(swarm);
});

test('restart - agents come back to a manager that was killed; no task is made again', async () => {
  const swarm = await TestSwarm.start(3, 500);
  const web = await swarm.create('web', 6, published(8080));
  await swarm.until(() => swarm.running(web.id).length === 6);
  const before = swarm
    .running(web.id)
    .map((task) => task.id)
    .sort();
  for (const agent of swarm.agents) await agent.vanish();
  await swarm.restart();
  for (const agent of swarm.agents) await agent.connect();
  await agree(swarm);
  expect(
    swarm
      .running(web.id)
      .map((task) => task.id)
      .sort(),
  ).toEqual(before);
  const states = swarm.agents.map((agent) => swarm.store.view().get('node', agent.nodeId)?.status.state);
  expect(states).toEqual([NodeState.READY, NodeState.READY, NodeState.READY]);
});

test('incremental - after random operations every agent knows just what a complete set would hold', async () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1e9);
  console.info(`seed ${seed}`);
  const random = seeded(seed);
  const pick = <T>(items: readonly T[]): T | undefined => items[random(items.length || 1)];
  const swarm = await TestSwarm.start(4, 2_000);
  const networks = ['a', 'b', 'c'].map((name) => testNetwork(name));
  await swarm.store.update((draft) => networks.map((network) => draft.create('network', network)));
  const services: string[] = [];
  let names = 0;
  const operations: (() => Promise<unknown>)[] = [
    async () => {
      const chosen = networks.filter(() => random(2) === 0).map((network) => network.id);
      const ports = random(2) === 0 ? published(10_000 + names) : {};
      services.push((await swarm.create(`s${names++}`, random(6), { ...ports, task: on(...chosen) })).id);
    },
    async () => {
      const id = pick(services);
      const replicas = random(8);
      if (id) await changeSpec(swarm.store, id, (spec) => ({ ...spec, replicated: { replicas } }));
    },
    async () => {
      const id = services.length > 3 ? services.splice(random(services.length), 1)[0] : undefined;
      if (id) await swarm.store.update((draft) => draft.remove('service', id));
    },
    async () => {
      const agent = pick(swarm.agents);
      const task = pick(agent?.tasks().filter((t) => t.desiredState === TaskState.RUNNING) ?? []);
      if (task) await agent?.report(task.id, TaskState.FAILED);
    },
    async () => {
      const agent = pick(swarm.agents);
      await agent?.vanish();
      await agent?.connect();
    },
    () => agree(swarm),
  ];
  for (let i = 0; i < 60; i++) await pick(operations)?.();
  await agree(swarm);
  // Whatever the dice have left undone, each has something new to hear once.
  const last = await swarm.create('last', 8, { ...published(9_999), task: on(...networks.map(({ id }) => id)) });
  await swarm.until(() => swarm.running(last.id).length === 8);
  await agree(swarm);
  expect(swarm.agents.every((agent) => agent.messages.some((m) => m.type === AssignmentsMessageType.INCREMENTAL))).toBe(
    true,
  );
});
