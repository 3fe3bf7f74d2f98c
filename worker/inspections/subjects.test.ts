import { describe, expect, test } from 'vitest';
import {
  ContainerConfig,
  ContainerEndpoint,
  ContainerInfo,
  ContainerPhase,
  Endpoint,
  NetworkAttachment,
  NetworkUser,
  Node,
  NodeDescription,
  NodeState,
  NodeStatus,
  PortConfig,
  Service,
  ServiceSpec,
  Task,
  TaskState,
  TaskStatus,
  TraceNetworkRequest,
} from '../../proto/gen/index.js';
import { allPlaces, attachedPlaces, localPlaces } from './places.js';
import { questionOf } from './subjects.js';
import { directoryOf, type SwarmView } from './swarm-view.js';

const node = (id: string, hostname: string, address: string) =>
  Node.create({
    id,
    description: NodeDescription.create({ hostname }),
    status: NodeStatus.create({ state: NodeState.READY, address }),
    dataPathAddress: address,
  });
const inNetwork = (networkId: string, address: string) =>
  NetworkAttachment.create({ networkId, networkName: networkId, addresses: [`${address}/24`] });
const task = (id: string, serviceName: string, slot: number, nodeId: string, ...networks: NetworkAttachment[]) =>
  Task.create({
    id,
    serviceId: `s-${serviceName}`,
    serviceName,
    slot,
    nodeId,
    networks,
    status: TaskStatus.create({ state: TaskState.RUNNING }),
    desiredState: TaskState.RUNNING,
  });
const service = (name: string, ...ports: PortConfig[]) =>
  Service.create({ id: `s-${name}`, spec: ServiceSpec.create({ name }), endpoint: Endpoint.create({ ports }) });

const view: SwarmView = {
  nodes: [node('n1', 'node1', '203.0.113.1'), node('n2', 'node2', '203.0.113.2')],
  services: [
    service('web', PortConfig.create({ publishedPort: 8080, targetPort: 80 })),
    service('db'),
    service('idle'),
  ],
  tasks: [
    task('web1aaaa', 'web', 1, 'n2', inNetwork('front', '10.0.1.3')),
    task('web2bbbb', 'web', 2, 'n1', inNetwork('front', '10.0.1.4')),
    task('db1cccc', 'db', 1, 'n2', inNetwork('back', '10.0.2.3'), inNetwork('front', '10.0.1.9')),
    { ...task('web0dead', 'web', 1, 'n1'), status: TaskStatus.create({ state: TaskState.FAILED }) },
  ],
  networks: [],
  containers: [
    {
      name: 'shell',
      id: 'c0ffee'.padEnd(64, '0'),
      namespace: 'c0ffee000000',
      node: 'n1',
      serviceName: '',
      endpoints: [{ networkId: 'bridge', networkName: 'bridge', addresses: ['172.17.0.2/16'] }],
    },
    {
      name: 'guest',
      id: 'ab12'.padEnd(64, '0'),
      namespace: 'ab1200000000',
      node: 'n2',
      serviceName: '',
      endpoints: [{ networkId: 'front', networkName: 'front', addresses: ['10.0.1.20/24'] }],
    },
  ],
  whole: true,
  self: { id: 'n1', name: 'node1', addresses: ['203.0.113.1'] },
};
const ask = (from: string, to: string, more: Partial<TraceNetworkRequest> = {}) =>
  questionOf(TraceNetworkRequest.create({ from, to, ...more }), view);

describe('FROM', () => {
  test.each([
    ['web.1', 'web1aaaa', 'n2'],
    ['web.1.web1aaaa', 'web1aaaa', 'n2'],
    ['web2bbbb', 'web2bbbb', 'n1'],
    ['web2', 'web2bbbb', 'n1'],
    ['10.0.1.3', 'web1aaaa', 'n2'],
    // Of a service, the task of this node.
    ['web', 'web2bbbb', 'n1'],
    ['shell', 'c0ffee000000', 'n1'],
    ['c0ffee00', 'c0ffee000000', 'n1'],
    // Attached to a network of the swarm on another node.
    ['guest', 'ab1200000000', 'n2'],
  ])('%s is the namespace %s on %s', (from, namespace, nodeId) => {
    expect(ask(from, '10.0.1.4').from).toMatchObject({ kind: 'sandbox', namespace, node: nodeId });
  });

  test('a task of a service, a node, an address', () => {
    expect(ask('web', '1.1.1.1', { task: '1' }).from).toMatchObject({ namespace: 'web1aaaa' });
    expect(ask('node:node2', '1.1.1.1').from).toMatchObject({ kind: 'node', node: 'n2' });
    expect(ask('198.51.100.7', '203.0.113.1', { port: 8080 }).from).toMatchObject({
      kind: 'outside',
      address: '198.51.100.7',
    });
  });

  test.each([
    ['nobody', {}, 'no such container, task or service: nobody'],
    ['node:nobody', {}, 'no such node: nobody'],
    ['idle', {}, 'no task of service idle runs'],
    ['web', { task: '7' }, 'service web has no running task 7'],
  ])('%s %j - %s', (from, more, message) => {
    expect(() => ask(from, '10.0.1.4', more)).toThrow(message);
  });
});

describe('TO', () => {
  test('from inside, a service’s name is left to the resolver; a task’s is its address in a common network', () => {
    expect(ask('web.1', 'db', { port: 80 })).toMatchObject({
      to: { name: 'db', address: undefined },
      protocol: 'tcp',
      port: 80,
    });
    expect(ask('web.1', 'db.1', { port: 80 }).to).toMatchObject({ label: 'db.1', address: '10.0.1.9' });
    expect(ask('shell', 'db.1').to).toMatchObject({ address: '10.0.2.3' });
    expect(ask('web.1', 'example.com').to).toMatchObject({ name: 'example.com' });
    expect(ask('web.1', 'shell').to).toMatchObject({ address: '172.17.0.2' });
    // Known by name in the network that both are in.
    expect(ask('web.1', 'guest').to).toMatchObject({ name: 'guest', address: undefined });
  });

  test('from outside, a service is its published port, whichever of both ports is given', () => {
    for (const port of [80, 8080])
      expect(ask('198.51.100.7', 'web', { port })).toMatchObject({ to: { address: '203.0.113.1' }, port: 8080 });
    expect(ask('node:node2', 'web', { port: 80 })).toMatchObject({ to: { address: '203.0.113.2' }, port: 8080 });
    expect(() => ask('198.51.100.7', 'web', { port: 81 })).toThrow('service web publishes no port 81');
    expect(() => ask('198.51.100.7', 'web')).toThrow('service web is reached from outside by its ports alone');
    expect(() => ask('198.51.100.7', 'example.com')).toThrow('example.com cannot be looked up from outside');
  });

  test('protocols', () => {
    expect(ask('web.1', '10.0.1.4')).toMatchObject({ protocol: 'icmp', port: undefined });
    expect(ask('web.1', '10.0.1.4', { port: 53, protocol: 'udp' })).toMatchObject({ protocol: 'udp', port: 53 });
    expect(() => ask('web.1', '10.0.1.4', { protocol: 'udp' })).toThrow('udp needs a port');
    expect(() => ask('web.1', '10.0.1.4', { protocol: 'gre' })).toThrow('"gre" is no protocol that can be traced');
  });
});

test('directoryOf - who has which address, in which network, on which node', () => {
  const { endpoints, owners, nodes } = directoryOf(view);
  expect(endpoints).toContainEqual({
    address: '10.0.1.9',
    owner: 'db.1',
    namespace: 'db1cccc',
    node: 'n2',
    network: 'front',
  });
  expect(endpoints).toContainEqual({
    address: '172.17.0.2',
    owner: 'shell',
    namespace: 'c0ffee000000',
    node: 'n1',
    network: 'bridge',
  });
  expect(owners).toEqual({
    web1aaaa: 'web.1',
    web2bbbb: 'web.2',
    db1cccc: 'db.1',
    c0ffee000000: 'shell',
    ab1200000000: 'guest',
  });
  expect(nodes.map(({ name, vtep }) => [name, vtep])).toEqual([
    ['node1', '203.0.113.1'],
    ['node2', '203.0.113.2'],
  ]);
});

test('directoryOf - a machine in no swarm is a node too', () => {
  const alone = { ...view, nodes: [], services: [], tasks: [] };
  expect(directoryOf(alone).nodes).toEqual([{ id: 'n1', name: 'node1', vtep: '', addresses: ['203.0.113.1'] }]);
});

describe('places', () => {
  test('on a worker, which knows no tasks, the containers of its tasks are found as they are named', () => {
    const config = ContainerConfig.create({ name: 'api.2.y5f1' });
    const endpoints = [
      ContainerEndpoint.create({ networkId: 'front', networkName: 'front', addresses: ['10.0.1.4/24'] }),
    ];
    const info = { id: 'y5f1', taskId: 'y5f1', config, serviceName: 'api', endpoints, phase: ContainerPhase.RUNNING };
    const containers = localPlaces([ContainerInfo.create(info), ContainerInfo.create({ id: 'gone' })], 'n1');
    const worker = { ...view, nodes: [], services: [], tasks: [], containers };
    for (const from of ['api.2', 'api.2.y5f1', 'y5f1', 'api'])
      expect(questionOf(TraceNetworkRequest.create({ from, to: '10.0.1.3' }), worker).from).toEqual({
        kind: 'sandbox',
        node: 'n1',
        namespace: 'y5f1',
        label: 'api.2',
      });
  });

  test('an attached container is one, however many networks it is in', () => {
    const user = (networkId: string, address: string) =>
      NetworkUser.create({
        containerId: 'ab12'.padEnd(64, '0'),
        taskName: 'guest',
        nodeId: 'n2',
        attachment: inNetwork(networkId, address),
      });
    const attached = attachedPlaces([user('front', '10.0.1.20'), user('back', '10.0.2.20'), NetworkUser.create()]);
    expect(attached).toMatchObject([{ name: 'guest', node: 'n2', namespace: 'ab1200000000' }]);
    expect(attached[0]?.endpoints.map(({ networkId }) => networkId)).toEqual(['front', 'back']);
    expect(allPlaces(attached, attached)).toHaveLength(1);
  });
});
