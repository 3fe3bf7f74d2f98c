import { expect, test } from 'vitest';
import { addressOf } from '../../lib/ip.js';
import {
  EndpointMode,
  IPAMConfig,
  ManagerStatus,
  NetworkAttachmentConfig,
  PortConfig,
  Protocol,
  PublishMode,
  type Service,
  type Task,
  TaskState,
} from '../../proto/gen/index.js';
import { newTask } from '../common/tasks.js';
import type { Store } from '../store/store.js';
import { runLoops } from '../testing/loops.js';
import {
  changeSpec,
  ingressNetwork,
  testCluster,
  testNetwork,
  testNode,
  testService,
  testTaskSpec,
} from '../testing/objects.js';
import { Allocator } from './allocator.js';

const port = (fields: Partial<PortConfig>) => PortConfig.create({ targetPort: 80, ...fields });
const on = (...networks: readonly string[]) =>
  testTaskSpec('web', { networks: networks.map((target) => NetworkAttachmentConfig.create({ target })) });

let taskNumber = 0;
async function addTasks(store: Store, service: Service, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => `task${String(++taskNumber).padStart(21, '0')}`);
  const { failed } = await store.batch(ids, (draft, id) => {
    draft.create('task', newTask(service, { id, slot: 1, nodeId: '', desiredState: TaskState.RUNNING, now: 0 }));
  });
  expect(failed.size).toBe(0);
  return ids;
}

async function setTask(store: Store, id: string, change: (task: Task) => Partial<Task>): Promise<void> {
  await store.update((draft) => {
    const task = draft.get('task', id);
    if (task) draft.update('task', { ...task, ...change(task) });
  });
}

const stop = (task: Task): Partial<Task> => ({
  desiredState: TaskState.SHUTDOWN,
  status: { ...task.status, state: TaskState.SHUTDOWN },
});

async function swarm() {
  const loops = await runLoops(Allocator);
  const ingress = ingressNetwork();
  await loops.store.update((draft) => {
    draft.create('cluster', testCluster());
    draft.create('network', ingress);
  });
  await loops.settle();
  const add = async (...services: readonly Service[]) => {
    for (const service of services) await loops.store.update((draft) => draft.create('service', service));
    await loops.settle();
  };
  return { ...loops, ingress, add };
}

test('networks - ingress gets 10.0.0.0/24 and the next ones follow, each with a VNI', async () => {
  const { store, settle, ingress } = await swarm();
  const [a, b] = [testNetwork('a'), testNetwork('b')];
  await store.update((draft) => [a, b].map((network) => draft.create('network', network)));
  await settle();
  const shown = [ingress, a, b].map(({ id }) => store.view().get('network', id));
  expect(shown.map((n) => [n?.ipam[0]?.subnet, n?.ipam[0]?.gateway, n?.vni, n?.allocated])).toEqual([
    ['10.0.0.0/24', '10.0.0.1', 4096, true],
    ['10.0.1.0/24', '10.0.1.1', 4097, true],
    ['10.0.2.0/24', '10.0.2.1', 4098, true],
  ]);
});

test('networks - a subnet that nobody has chosen has no address of a node in it', async () => {
  const { store, settle } = await swarm();
  const node = testNode('node1', { dataPathAddress: '10.0.1.7' });
  await store.update((draft) => draft.create('node', node));
  await settle();
  const [a, b] = [testNetwork('a'), testNetwork('b')];
  await store.update((draft) => draft.create('network', a));
  await settle();
  await store.update((draft) => draft.remove('node', node.id));
  await settle();
  await store.update((draft) => draft.create('network', b));
  await settle();
  expect([a, b].map(({ id }) => store.view().get('network', id)?.ipam[0]?.subnet)).toEqual([
    '10.0.2.0/24',
    '10.0.3.0/24',
  ]);
});

test('networks - a wish that cannot be met is said, and met when the other network goes', async () => {
  const { store, settle } = await swarm();
  const first = testNetwork('first', { ipam: [IPAMConfig.create({ subnet: '10.7.0.0/16' })] });
  const second = testNetwork('second', { ipam: [IPAMConfig.create({ subnet: '10.7.3.0/24' })] });
  await store.update((draft) => [first, second].map((network) => draft.create('network', network)));
  await settle();
  expect(store.view().get('network', second.id)).toMatchObject({
    allocated: false,
    problems: ['subnet 10.7.3.0/24 overlaps 10.7.0.0/16 of network "first"'],
  });
  await store.update((draft) => draft.remove('network', first.id));
  await settle();
  expect(store.view().get('network', second.id)).toMatchObject({ allocated: true, problems: [] });
});

test('networks - the VNI option is honoured, and refused when taken', async () => {
  const { store, settle } = await swarm();
  const option = { 'com.docker.network.driver.overlay.vxlanid_list': '5000' };
  const [a, b] = [testNetwork('a', { driverOptions: option }), testNetwork('b', { driverOptions: option })];
  await store.update((draft) => draft.create('network', a));
  await settle();
  await store.update((draft) => draft.create('network', b));
  await settle();
  expect(store.view().get('network', a.id)?.vni).toBe(5000);
  expect(store.view().get('network', b.id)?.problems).toEqual(['VNI 5000 is used by network "a"']);
});

test('nodes - each gets an endpoint in the ingress network', async () => {
  const { store, settle, ingress } = await swarm();
  const nodes = [testNode('node1'), testNode('node2')];
  await store.update((draft) => nodes.map((node) => draft.create('node', node)));
  await settle();
  const attachments = nodes.map(({ id }) => store.view().get('node', id)?.attachments);
  expect(attachments).toMatchObject([
    [{ networkId: ingress.id, addresses: ['10.0.0.2/24'], mac: '02:42:0a:00:00:02' }],
    [{ networkId: ingress.id, addresses: ['10.0.0.3/24'], mac: '02:42:0a:00:00:03' }],
  ]);
});

test('nodes - one for which the ingress network has no room says so until it has', async () => {
  const { store, settle } = await runLoops(Allocator);
  const small = ingressNetwork();
  const spec = { ...small.spec, ipam: [IPAMConfig.create({ subnet: '10.9.0.0/29' })] };
  const nodes = [1, 2, 3, 4, 5, 6].map((i) => testNode(`node${i}`));
  await store.update((draft) => {
    draft.create('cluster', testCluster());
    draft.create('network', { ...small, spec });
    for (const node of nodes) draft.create('node', node);
  });
  await settle();
  const without = () => [...store.view().list('node')].filter(({ attachments }) => attachments.length === 0);
  const [last, ...others] = without();
  expect(others).toEqual([]);
  expect(last?.unallocated).toMatchObject([
    {
      subject: 'network ingress',
      message: expect.stringMatching(
        /^no free address in network "ingress" \(10\.9\.0\.0\/29: 5 of 5 used\): this node answers on no published port\. For a larger/,
      ),
    },
  ]);
  await store.update((draft) => draft.remove('node', nodes.find(({ id }) => id !== last?.id)?.id ?? ''));
  await settle();
  expect(without()).toEqual([]);
  expect(store.view().get('node', last?.id ?? '')?.unallocated).toEqual([]);
});

test('nodes - one that came before the ingress network gets its endpoint when that is there', async () => {
  const { store, settle } = await runLoops(Allocator);
  const node = testNode('node1');
  await store.update((draft) => [draft.create('cluster', testCluster()), draft.create('node', node)]);
  await settle();
  await store.update((draft) => draft.create('network', ingressNetwork()));
  await settle();
  expect(store.view().get('node', node.id)?.attachments).toHaveLength(1);
});

test('services - a virtual address per network, none on ingress, none with dnsrr', async () => {
  const { store, settle, add } = await swarm();
  const [a, b] = [testNetwork('a'), testNetwork('b')];
  await store.update((draft) => [a, b].map((network) => draft.create('network', network)));
  const web = testService('web', 1, { task: on(a.id, b.id), endpoint: { mode: EndpointMode.VIP, ports: [port({})] } });
  await add(web);
  await settle();
  expect(store.view().get('service', web.id)?.endpoint).toMatchObject({
    allocated: true,
    virtualIps: [
      { networkId: a.id, address: '10.0.1.2/24' },
      { networkId: b.id, address: '10.0.2.2/24' },
    ],
    ports: [{ targetPort: 80, publishedPort: 30000 }],
  });
  await changeSpec(store, web.id, (spec) => ({ ...spec, endpoint: { mode: EndpointMode.DNSRR, ports: [] } }));
  await settle();
  expect(store.view().get('service', web.id)?.endpoint).toMatchObject({ virtualIps: [], ports: [], allocated: true });
});

test('services - ports that are left open are none that the swarm itself uses', async () => {
  const { store, settle, add } = await swarm();
  const managerStatus = ManagerStatus.create({ address: '203.0.113.1:30000' });
  await store.update((draft) => {
    draft.create('node', testNode('node1', { managerStatus }));
    draft.update('cluster', { ...draft.cluster(), dataPathPort: 30000 });
  });
  await settle();
  const ports = [port({}), port({ protocol: Protocol.UDP })];
  const web = testService('web', 1, { endpoint: { mode: EndpointMode.VIP, ports } });
  await add(web);
  expect(
    store
      .view()
      .get('service', web.id)
      ?.endpoint.ports.map((p) => p.publishedPort),
  ).toEqual([30001, 30001]);
});

test('services - ports that are left open skip those that are taken, and stay what they are', async () => {
  const { store, settle, add } = await swarm();
  const fixed = testService('fixed', 1, {
    endpoint: { mode: EndpointMode.VIP, ports: [port({ publishedPort: 30000 })] },
  });
  const open = testService('open', 1, {
    endpoint: { mode: EndpointMode.VIP, ports: [port({}), port({ targetPort: 81 }), port({ protocol: Protocol.UDP })] },
  });
  await add(fixed, open);
  const published = () =>
    store
      .view()
      .get('service', open.id)
      ?.endpoint.ports.map((p) => p.publishedPort);
  expect(published()).toEqual([30001, 30002, 30000]);
  await changeSpec(store, open.id, (spec) => ({
    ...spec,
    endpoint: { ...spec.endpoint, ports: spec.endpoint.ports.slice(1) },
  }));
  await settle();
  expect(published()).toEqual([30002, 30000]);
});

test('services - a port of another service is a problem that its tasks tell, until it is freed', async () => {
  const { store, settle, add } = await swarm();
  const endpoint = { mode: EndpointMode.VIP, ports: [port({ publishedPort: 8080 })] };
  const [first, second] = [testService('first', 1, { endpoint }), testService('second', 1, { endpoint })];
  await add(first, second);
  const [task = ''] = await addTasks(store, second, 1);
  await settle();
  const problem = 'port 8080/tcp is already published by service "first"';
  expect(store.view().get('service', second.id)?.problems).toEqual([problem]);
  expect(store.view().get('task', task)?.status).toMatchObject({ state: TaskState.NEW, error: problem });
  await store.update((draft) => draft.remove('service', first.id));
  await settle();
  expect(store.view().get('service', second.id)).toMatchObject({ problems: [], endpoint: { allocated: true } });
  expect(store.view().get('task', task)?.status).toMatchObject({ state: TaskState.PENDING, error: '' });
});

test('tasks - addresses in the order of the spec, then ingress, and the endpoint of the service', async () => {
  const { store, settle, add, ingress } = await swarm();
  const [a, b] = [testNetwork('a'), testNetwork('b')];
  await store.update((draft) => [a, b].map((network) => draft.create('network', network)));
  const web = testService('web', 1, {
    task: on(b.id, a.id),
    endpoint: { mode: EndpointMode.VIP, ports: [port({ publishedPort: 8080 })] },
  });
  await add(web);
  const [id = ''] = await addTasks(store, web, 1);
  await settle();
  const task = store.view().get('task', id);
  expect(task?.status.state).toBe(TaskState.PENDING);
  expect(task?.networks.map((n) => [n.networkId, n.addresses, n.mac])).toEqual([
    [b.id, ['10.0.2.3/24'], '02:42:0a:00:02:03'],
    [a.id, ['10.0.1.3/24'], '02:42:0a:00:01:03'],
    [ingress.id, ['10.0.0.2/24'], '02:42:0a:00:00:02'],
  ]);
  expect(task?.endpoint.ports[0]?.publishedPort).toBe(8080);
});

test('tasks - a host-mode port needs no endpoint in the ingress network', async () => {
  const { store, settle, add } = await swarm();
  const ports = [port({ publishedPort: 8080, publishMode: PublishMode.HOST })];
  const web = testService('web', 1, { endpoint: { mode: EndpointMode.VIP, ports } });
  await add(web);
  const [id = ''] = await addTasks(store, web, 1);
  await settle();
  expect(store.view().get('task', id)).toMatchObject({ status: { state: TaskState.PENDING }, networks: [] });
});

test('tasks - with a full network the rest wait and say so; each address that is freed helps one', async () => {
  const { store, settle, add } = await swarm();
  const small = testNetwork('small', { ipam: [IPAMConfig.create({ subnet: '10.9.0.0/29' })] });
  await store.update((draft) => draft.create('network', small));
  const web = testService('web', 8, { task: on(small.id), endpoint: { mode: EndpointMode.DNSRR, ports: [] } });
  await add(web);
  const ids = await addTasks(store, web, 7);
  await settle();
  const inState = (state: TaskState) => ids.filter((id) => store.view().get('task', id)?.status.state === state);
  expect(inState(TaskState.PENDING)).toHaveLength(5);
  expect(store.view().get('task', inState(TaskState.NEW)[0] ?? '')?.status.error).toBe(
    'no free address in network "small" (10.9.0.0/29: 5 of 5 used)',
  );
  const [gone = '', stopped = ''] = inState(TaskState.PENDING);
  await store.update((draft) => draft.remove('task', gone));
  await settle();
  expect(inState(TaskState.NEW)).toHaveLength(1);
  await setTask(store, stopped, stop);
  await settle();
  expect(inState(TaskState.NEW)).toHaveLength(0);
  const live = [...store.view().tasksOfNetwork(small.id)].filter((task) => task.id !== stopped);
  expect(new Set(live.flatMap((task) => task.networks[0]?.addresses)).size).toBe(live.length);
});

test('tasks - nothing is given twice or lost over restarts and churn', async () => {
  const { store, settle, add, restart } = await swarm();
  const net = testNetwork('net', { ipam: [IPAMConfig.create({ subnet: '10.9.0.0/26' })] });
  await store.update((draft) => draft.create('network', net));
  const web = testService('web', 8, { task: on(net.id) });
  await add(web);
  for (let round = 0; round < 6; round++) {
    await addTasks(store, web, 20);
    await settle();
    const tasks = [...store.view().tasksOfNetwork(net.id)];
    await setTask(store, tasks[round]?.id ?? '', stop);
    const { failed } = await store.batch(tasks.slice(round + 1, 19), (draft, task) => draft.remove('task', task.id));
    expect(failed.size).toBe(0);
    if (round % 2 === 1) await restart();
    await settle();
    const live = [...store.view().tasksOfService(web.id)].filter((task) => task.status.state === TaskState.PENDING);
    const addresses = live.map((task) => addressOf(task.networks[0]?.addresses[0] ?? ''));
    expect(new Set(addresses).size).toBe(live.length);
    expect(addresses).not.toContain(
      addressOf(store.view().get('service', web.id)?.endpoint.virtualIps[0]?.address ?? ''),
    );
  }
  const all = [...store.view().tasksOfService(web.id)];
  await store.batch(all, (draft, task) => draft.remove('task', task.id));
  await settle();
  const last = await addTasks(store, web, 60);
  await settle();
  expect(last.every((id) => store.view().get('task', id)?.status.state === TaskState.PENDING)).toBe(true);
});
