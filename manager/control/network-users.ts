import { addressOf, formatCidr, parseCidr } from '../../lib/ip.js';
import {
  type Network,
  NetworkLease,
  NetworkPeer,
  NetworkService,
  NetworkUser,
  type Node,
  type Service,
  type Task,
} from '../../proto/gen/index.js';
import { taskName } from '../../proto/task-names.js';
import { isRouted } from '../common/routed-options.js';
import { isStopped } from '../common/tasks.js';
import type { ReadView } from '../store/store.js';

/** Who has an endpoint in a network, and where: by the state of the swarm, whatever the nodes' kernels show. */
export interface NetworkUse {
  readonly users: NetworkUser[];
  readonly peers: NetworkPeer[];
  readonly services: NetworkService[];
  readonly leases: NetworkLease[];
}

export function networkUse(view: ReadView, network: Network): NetworkUse {
  const nodes = new Map([...view.list('node')].map((node) => [node.id, node]));
  const tasks = [...view.tasksOfNetwork(network.id)].flatMap((task) => taskUser(task, network, nodes));
  // In a routed network a node's own endpoint is its lease.
  const routed = isRouted(network);
  const own = routed ? [] : [...nodes.values()].flatMap((node) => nodeUser(node, network));
  const users = [...tasks, ...own].sort(
    (a, b) => compare(a.taskName, b.taskName) || compare(a.nodeHostname, b.nodeHostname),
  );
  const services = [...view.servicesOfNetwork(network.id)]
    .map((service) => serviceOf(service, network))
    .sort((a, b) => compare(a.name, b.name));
  const leases = routed ? leasesOf(users, nodes, network) : [];
  return { users, peers: peersOf(users, nodes), services, leases };
}

/** A task that is over, or has no addresses yet, is no user. */
function taskUser(task: Task, network: Network, nodes: ReadonlyMap<string, Node>): NetworkUser[] {
  const attachment = task.networks.find((n) => n.networkId === network.id);
  if (!attachment || isStopped(task)) return [];
  return [
    NetworkUser.create({
      taskId: task.id,
      serviceId: task.serviceId,
      serviceName: task.serviceName,
      taskName: taskName(task),
      attachment,
      state: task.status.state,
      containerId: task.spec.attachment?.containerId ?? '',
      ...placeOf(nodes.get(task.nodeId), task.nodeId),
    }),
  ];
}

function nodeUser(node: Node, network: Network): NetworkUser[] {
  const attachment = node.attachments.find((n) => n.networkId === network.id);
  if (!attachment) return [];
  return [NetworkUser.create({ taskName: 'ingress-sbox', attachment, ...placeOf(node, node.id) })];
}

function leasesOf(users: readonly NetworkUser[], nodes: ReadonlyMap<string, Node>, network: Network): NetworkLease[] {
  const leases = [...nodes.values()].flatMap((node) => {
    const lease = node.attachments.find((n) => n.networkId === network.id);
    const [gateway] = lease?.addresses ?? [];
    if (!lease || gateway === undefined) return [];
    const subnet = parseCidr(gateway);
    const made = NetworkLease.create({
      nodeId: node.id,
      hostname: node.description.hostname,
      subnet: formatCidr(subnet),
      gateway: addressOf(gateway),
      address: node.dataPathAddress,
      mac: lease.mac,
      endpoints: users.filter(({ nodeId }) => nodeId === node.id).length,
    });
    return [{ base: subnet.base, made }];
  });
  return leases.sort((a, b) => (a.base < b.base ? -1 : 1)).map(({ made }) => made);
}

function placeOf(node: Node | undefined, nodeId: string) {
  return { nodeId, nodeHostname: node?.description.hostname ?? '', nodeAddress: node?.dataPathAddress ?? '' };
}

function peersOf(users: readonly NetworkUser[], nodes: ReadonlyMap<string, Node>): NetworkPeer[] {
  const endpoints = new Map<string, number>();
  for (const { nodeId } of users) if (nodeId !== '') endpoints.set(nodeId, (endpoints.get(nodeId) ?? 0) + 1);
  return [...endpoints]
    .map(([nodeId, count]) => {
      const node = nodes.get(nodeId);
      return NetworkPeer.create({
        nodeId,
        hostname: node?.description.hostname ?? '',
        address: node?.dataPathAddress ?? '',
        endpoints: count,
      });
    })
    .sort((a, b) => compare(a.hostname, b.hostname) || compare(a.nodeId, b.nodeId));
}

function serviceOf({ id, spec, endpoint }: Service, network: Network): NetworkService {
  const virtualIps = endpoint.virtualIps.filter((vip) => vip.networkId === network.id).map((vip) => vip.address);
  return NetworkService.create({ id, name: spec.name, mode: endpoint.mode, virtualIps, ports: endpoint.ports });
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
