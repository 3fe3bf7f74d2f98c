import { expect, test } from 'vitest';
import {
  Endpoint,
  KernelFeature,
  NodeAvailability,
  NodeSpec,
  NodeState,
  NodeStatus,
  PortConfig,
  Protocol,
  PublishMode,
  Task,
  TaskSpec,
  TaskState,
  TaskStatus,
} from '../../proto/gen/index.js';
import { testNode } from '../testing/objects.js';
import { parseConstraint } from './constraint.js';
import type { Demand } from './filters.js';
import { FAILURE_WINDOW, MAX_FAILURES, NodeInfo } from './node-info.js';
import { place } from './placement.js';

const never = () => false;
let taskNumber = 0;

function task(serviceId: string, fields: Partial<Task> = {}): Task {
  return Task.create({
    id: `t${++taskNumber}`,
    serviceId,
    nodeId: 'here',
    status: TaskStatus.create({ state: TaskState.RUNNING }),
    desiredState: TaskState.RUNNING,
    ...fields,
  });
}

function node(name: string, tasks: readonly Task[] = [], fields: Parameters<typeof testNode>[1] = {}): NodeInfo {
  const info = new NodeInfo({ ...testNode(name, fields), id: name });
  for (const t of tasks) info.put(t);
  return info;
}

function demand(fields: Partial<Demand> = {}, spec: Partial<TaskSpec> = {}): Demand {
  return { serviceId: 'web', spec: TaskSpec.create(spec), constraints: [], hostPorts: [], features: [], ...fields };
}

const reserving = (memoryBytes: number, nanoCpus = 0) => {
  const spec = TaskSpec.create();
  return { resources: { ...spec.resources, reservations: { memoryBytes, nanoCpus, generic: [] } } };
};
const withPlacement = (fields: Partial<TaskSpec['placement']>) => ({
  placement: { ...TaskSpec.create().placement, ...fields },
});
const labelled = (name: string, zone: string, tasks: readonly Task[] = []) =>
  node(name, tasks, { spec: NodeSpec.create({ labels: { zone } }) });

function counts(nodes: readonly NodeInfo[]): Record<string, number> {
  const result: Record<string, number> = {};
  for (const { node: n } of nodes) result[n.id] = (result[n.id] ?? 0) + 1;
  return result;
}

test('place - evenly by tasks of the service, whatever else a node has', () => {
  const nodes = [
    node('a', [task('web'), task('web')]),
    node('b', [task('other'), task('other'), task('other')]),
    node('c'),
  ];
  expect(counts(place(demand(), 4, nodes, never).nodes)).toEqual({ b: 2, c: 2 });
});

test('place - the fewest tasks in total decide between equals', () => {
  const nodes = [node('a', [task('x'), task('x')]), node('b', [task('x')]), node('c', [task('x'), task('x')])];
  expect(place(demand(), 1, nodes, never).nodes.map((n) => n.node.id)).toEqual(['b']);
});

test('place - stays even for many tasks on many nodes', () => {
  const nodes = Array.from({ length: 37 }, (_, i) => node(`n${i}`));
  const placed = Object.values(counts(place(demand(), 1000, nodes, never).nodes));
  expect(Math.max(...placed) - Math.min(...placed)).toBeLessThanOrEqual(1);
});

test('place - a spread preference divides between label values first', () => {
  const nodes = [labelled('a1', 'a'), labelled('b1', 'b'), labelled('b2', 'b'), labelled('b3', 'b')];
  const spec = withPlacement({ preferences: [{ spread: 'node.labels.zone' }] });
  expect(counts(place(demand({}, spec), 6, nodes, never).nodes)).toEqual({ a1: 3, b1: 1, b2: 1, b3: 1 });
});

test('place - a branch without room leaves its share to the others', () => {
  const nodes = [labelled('a1', 'a'), labelled('b1', 'b'), labelled('b2', 'b')];
  const spec = withPlacement({ preferences: [{ spread: 'node.labels.zone' }], maxReplicas: 2 });
  const { nodes: placed, explanation } = place(demand({}, spec), 7, nodes, never);
  expect(counts(placed)).toEqual({ a1: 2, b1: 2, b2: 2 });
  expect(explanation).toBe('no suitable node (max replicas per node limit exceed on 3 nodes: 2)');
});

test('place - reservations are taken one by one until none fits', () => {
  const nodes = [node('a'), node('b', [task('x', { spec: TaskSpec.create(reserving(2 ** 31)) })])];
  const { nodes: placed, explanation } = place(demand({}, reserving(2 ** 30)), 9, nodes, never);
  expect(counts(placed)).toEqual({ a: 4, b: 2 });
  expect(explanation).toBe('no suitable node (insufficient resources on 2 nodes: memory)');
});

test('place - a host-mode port is had once per node', () => {
  const port = PortConfig.create({ publishedPort: 80, protocol: Protocol.TCP, publishMode: PublishMode.HOST });
  const user = task('x', { endpoint: Endpoint.create({ ports: [port] }) });
  const { nodes: placed, explanation } = place(demand({ hostPorts: [port] }), 2, [node('a', [user]), node('b')], never);
  expect(counts(placed)).toEqual({ b: 1 });
  expect(explanation).toBe('no suitable node (host-mode port already in use on 2 nodes: 80/tcp)');
});

const hostPort = (publishedPort: number, fields: Partial<PortConfig> = {}) =>
  PortConfig.create({ publishedPort, targetPort: 80, publishMode: PublishMode.HOST, ...fields });
const user = (port: PortConfig, chosen?: PortConfig) =>
  task('x', {
    endpoint: Endpoint.create({ ports: [port] }),
    status: TaskStatus.create({ state: TaskState.RUNNING, portStatus: { ports: chosen ? [chosen] : [] } }),
  });

test.each<[string, PortConfig, PortConfig, boolean]>([
  ['another protocol', hostPort(80), hostPort(80, { protocol: Protocol.UDP }), true],
  ['another address', hostPort(80, { hostIp: '192.0.2.1' }), hostPort(80, { hostIp: '192.0.2.2' }), true],
  ['all addresses and one', hostPort(80), hostPort(80, { hostIp: '192.0.2.2' }), false],
  ['one address and all of IPv4', hostPort(80, { hostIp: '192.0.2.1' }), hostPort(80, { hostIp: '0.0.0.0' }), false],
  ['one that may choose another', hostPort(80, { publishedLast: 81 }), hostPort(80), true],
])('place - a host-mode port beside that of another task: %s', (_, used, asked, fits) => {
  const { nodes: placed } = place(demand({ hostPorts: [asked] }), 1, [node('a', [user(used)])], never);
  expect(placed).toHaveLength(fits ? 1 : 0);
});

test('place - each of a task’s own ranges takes a port, also where they are the same', () => {
  const range = hostPort(8080, { publishedLast: 8084 });
  const { nodes: placed } = place(demand({ hostPorts: [range, range] }), 9, [node('a')], never);
  expect(placed).toHaveLength(2);
});

test('place - of a range a node has as many as are free, by what its tasks have chosen', () => {
  const range = hostPort(8080, { publishedLast: 8084 });
  const users = [user(range), user(range, hostPort(8081)), user(hostPort(8082)), user(hostPort(9000))];
  const { nodes: placed, explanation } = place(demand({ hostPorts: [range] }), 9, [node('a', users), node('b')], never);
  expect(counts(placed)).toEqual({ a: 2, b: 5 });
  expect(explanation).toBe('no suitable node (host-mode port already in use on 2 nodes: 8080-8084/tcp)');
  const chosen = place(demand({ hostPorts: [hostPort(8081)] }), 1, [node('a', users)], never);
  expect(chosen.explanation).toBe('no suitable node (host-mode port already in use on 1 node: 8081/tcp)');
});

test('place - says of every node why not', () => {
  const inState = (state: NodeState) => ({ status: NodeStatus.create({ state }) });
  const available = (availability: NodeAvailability) => ({ spec: NodeSpec.create({ availability }) });
  const feature = KernelFeature.create({ name: 'vxlan', required: true });
  const lacking = testNode('f');
  const nodes = [
    node('node1', [], inState(NodeState.DOWN)),
    node('node2', [], available(NodeAvailability.DRAIN)),
    node('node3', [], available(NodeAvailability.PAUSE)),
    node('node4'),
    node('node5', [], { description: { ...lacking.description, hostname: 'node5', features: [feature] } }),
    labelled('node6', 'east', [task('x', { spec: TaskSpec.create(reserving(2 ** 32)) })]),
  ];
  const asked = demand({ constraints: [parseConstraint('node.labels.zone==east')] }, reserving(2 ** 30));
  expect(place(asked, 1, nodes, never).explanation).toBe(
    'no suitable node (3 nodes not available for new tasks: node1 down, node2 drained, node3 paused; ' +
      'scheduling constraints not satisfied on 1 node: node.labels.zone==east; ' +
      'missing kernel feature on 1 node: vxlan on node5; insufficient resources on 1 node: memory)',
  );
  expect(place(demand(), 1, [], never).explanation).toBe('no suitable node (the swarm has no nodes)');
});

test('place - another platform does not do; names of architectures are told apart by meaning', () => {
  const asked = (architecture: string) => demand({}, withPlacement({ platforms: [{ os: 'linux', architecture }] }));
  expect(place(asked('x86_64'), 1, [node('a')], never).nodes).toHaveLength(1);
  expect(place(asked('arm64'), 1, [node('a')], never).explanation).toBe(
    'no suitable node (unsupported platform on 1 node: linux/amd64)',
  );
});

test('place - a node that keeps failing the service comes last, but is better than none', () => {
  const [a, b] = [node('a'), node('b', [task('x'), task('x')])];
  for (let i = 0; i < MAX_FAILURES; i++) a.failed('web/1', 1000 + i);
  const isFailing = (now: number) => (info: NodeInfo) => info.isFailing('web/1', now);
  expect(counts(place(demand(), 3, [a, b], isFailing(2000)).nodes)).toEqual({ b: 3 });
  expect(counts(place(demand(), 1, [a], isFailing(2000)).nodes)).toEqual({ a: 1 });
  expect(counts(place(demand(), 1, [a, b], isFailing(1000 + FAILURE_WINDOW)).nodes)).toEqual({ a: 1 });
});

test('NodeInfo - counts a task once however often it is heard of, and forgets it when it ends', () => {
  const info = node('a');
  const running = task('web', { spec: TaskSpec.create(reserving(2 ** 30)) });
  info.put(running);
  info.put(running);
  expect([info.total, info.tasksOf('web'), info.freeMemoryBytes]).toEqual([1, 1, 3 * 2 ** 30]);
  info.put({ ...running, desiredState: TaskState.SHUTDOWN });
  expect([info.total, info.tasksOf('web'), info.freeMemoryBytes]).toEqual([0, 0, 3 * 2 ** 30]);
  info.put({ ...running, desiredState: TaskState.SHUTDOWN, status: TaskStatus.create({ state: TaskState.SHUTDOWN }) });
  expect(info.freeMemoryBytes).toBe(2 ** 32);
});
