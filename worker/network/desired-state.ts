import { addressOf, familyOf, parseCidr } from '../../lib/ip.js';
import { mappedList } from '../../lib/kept-list.js';
import { isScheduler } from '../../lib/schedulers.js';
import { sortedRecords } from '../../lib/sorted-records.js';
import { finish, type Steps } from '../../lib/steps.js';
import type {
  DesiredState,
  GatewayBridge,
  HostPort,
  Ingress,
  IngressPort,
  Overlay,
  PublishedPort,
  RemoteEndpoint,
  Sandbox,
  SandboxEndpoint,
  SandboxIngress,
  VirtualService,
} from '../../netlb/state.js';
import {
  EndpointMode,
  type EndpointRecord,
  type NetworkAttachment,
  type NetworkRecord,
  type PortConfig,
  PublishMode,
  type ServiceRecord,
} from '../../proto/gen/index.js';
import { protocolText } from '../../proto/ports.js';
import type { Assignments } from '../agent/assignments.js';
import { isAttachment, isTerminal, type LocalTask, needsSandbox, sandboxId } from '../agent/local-task.js';
import { backendsByService } from './backends.js';
import { encryptedOf, encryptionOf } from './encryption.js';
import { zonesSteps } from './names.js';
import { isRouted, mtuOf, routedNetwork } from './routed.js';
import { withoutIpv6 } from './without-ipv6.js';

/** What of the node itself its network state depends on. */
export interface NetworkNode {
  readonly id: string;
  readonly dataPathAddress: string;
  readonly dataPathPort: number;
  /** Whether its kernel has IPv6. */
  readonly ipv6: boolean;
  /** Its IPv6 address is used while a task here has IPv6, or a port is published over it. */
  readonly gatewayBridge: GatewayBridge;
  /** The node's own endpoints: the one in the ingress network is ingress_sbox's. */
  readonly attachments: readonly NetworkAttachment[];
}

/** The network state that membership of a swarm asks for. */
export interface SwarmState {
  readonly state: DesiredState;
  /** Endpoints that containers of this machine have been given, by the name of their sandbox. */
  readonly attached: ReadonlyMap<string, readonly Attached[]>;
}

export interface Attached {
  readonly networkId: string;
  readonly virtualServices: readonly VirtualService[];
}

export function desiredState(
  assignments: Assignments,
  localTasks: Iterable<LocalTask>,
  node: NetworkNode,
): DesiredState {
  return finish(swarmStateSteps(assignments, localTasks, node)).state;
}

/**
 * The network state that a node shall have, from what managers have told it and from what its own
 * tasks are doing: a task that still runs keeps its sandbox though managers have forgotten it, and
 * one that has ended gets no traffic though managers have not heard of it yet. The same inputs give
 * the same lists in the same order, whatever the order in which they arrived. To be interrupted, for a node may
 * have thousands of endpoints to talk to.
 */
export function* swarmStateSteps(
  assignments: Assignments,
  localTasks: Iterable<LocalTask>,
  node: NetworkNode,
): Steps<SwarmState> {
  const local = [...localTasks].sort(byId((l) => l.task.id));
  const tasks = local.filter(needsSandbox);
  const told = {
    networks: networksById(assignments, tasks),
    endpoints: sortedEndpoints(assignments.endpoints),
    tasks,
    attachments: node.attachments,
  };
  const { networks, endpoints, tasks: housed, attachments: nodeAttachments } = node.ipv6 ? told : withoutIpv6(told);
  const ended = new Set(local.filter((l) => isTerminal(l.status.state)).map((l) => l.task.id));
  yield;
  const alive = ended.size === 0 ? endpoints : endpoints.filter((endpoint) => !ended.has(endpoint.taskId));
  const backends = backendsByService(alive);
  yield;
  const services = sortedServices(assignments.services);

  const ingressNetwork = [...networks.values()].find((network) => network.ingress);
  const virtualServices = virtualServicesByNetwork(services, backends);
  // An attachment's endpoints are in its container's sandbox, which is not the swarm's.
  const own = housed.filter(({ task }) => !isAttachment(task));
  const attachments = housed.filter(({ task }) => isAttachment(task));
  yield;
  const known: Known = { networks, virtualServices, services: assignments.services };
  const sandboxes = own.map((task) => sandbox(task, known)).filter((made) => made !== undefined);
  const ingress = ingressOf(nodeAttachments, ingressNetwork, services, backends);
  const attached = attachedBySandbox(attachments, networks, virtualServices);

  const used = new Set(sandboxes.flatMap((s) => s.endpoints.map((endpoint) => endpoint.networkId)));
  for (const { networkId } of [...attached.values()].flat()) used.add(networkId);
  if (ingress) used.add(ingress.overlayId);
  yield;
  const remotes = remotesByNetwork(endpoints, node.id);
  const usedNetworks = [...used].sort().flatMap((id) => networks.get(id) ?? []);
  const state: DesiredState = {
    underlay: { address: node.dataPathAddress, vxlanPort: node.dataPathPort },
    gatewayBridge: { ...node.gatewayBridge, ...(needsIpv6(housed, ingress) ? {} : { address6: '' }) },
    overlays: usedNetworks
      .filter((network) => !isRouted(network))
      .map((network) => overlay(network, remotes.get(network.id) ?? [])),
    bridges: [],
    routed: usedNetworks.filter(isRouted).map((network) => routedNetwork(network, housed, endpoints, node.id)),
    sandboxes,
    ingress,
    zones: yield* zonesSteps(usedNetworks, alive, services),
    encryption: assignments.networkKeys && encryptionOf(assignments.networkKeys),
  };
  return { state, attached };
}

const sortedEndpoints = sortedRecords<EndpointRecord>();
const sortedServices = sortedRecords<ServiceRecord>();

function attachedBySandbox(
  attachments: readonly LocalTask[],
  networks: ReadonlyMap<string, NetworkRecord>,
  virtualServices: ReadonlyMap<string, readonly VirtualService[]>,
): ReadonlyMap<string, readonly Attached[]> {
  const bySandbox = new Map<string, Attached[]>();
  for (const { task } of attachments) {
    const known = task.networks.filter(({ networkId }) => networks.has(networkId));
    const attached = known.map(({ networkId }) => ({
      networkId,
      virtualServices: virtualServices.get(networkId) ?? [],
    }));
    bySandbox.set(sandboxId(task), [...(bySandbox.get(sandboxId(task)) ?? []), ...attached]);
  }
  return bySandbox;
}

/** Networks as managers describe them now; of those that they no longer mention, as a task's record has them. */
function networksById(assignments: Assignments, tasks: readonly LocalTask[]): ReadonlyMap<string, NetworkRecord> {
  const kept = tasks.flatMap((local) => local.networks.map((network) => [network.id, network] as const));
  return new Map([...kept, ...assignments.networks]);
}

function overlay(network: NetworkRecord, remotes: readonly RemoteEndpoint[]): Overlay {
  const gateways = network.ipam
    .filter(({ gateway }) => gateway !== '')
    .map(({ subnet, gateway }) => `${addressOf(gateway)}/${parseCidr(subnet).prefix}`);
  return { id: network.id, vni: network.vni, gateways, mtu: mtuOf(network), remotes, ...encryptedOf(network) };
}

function remotesByNetwork(
  endpoints: readonly EndpointRecord[],
  nodeId: string,
): ReadonlyMap<string, readonly RemoteEndpoint[]> {
  const remotes = new Map<string, Map<string, RemoteEndpoint>>();
  for (const { networkId, owner, entries } of places(endpoints)) {
    if (owner === nodeId || entries.length === 0) continue;
    let inNetwork = remotes.get(networkId);
    if (!inNetwork) {
      inNetwork = new Map();
      remotes.set(networkId, inNetwork);
    }
    for (const entry of entries) inNetwork.set(entry.address, entry);
  }
  return new Map([...remotes].map(([id, inNetwork]) => [id, [...inNetwork.values()]]));
}

/** Of each endpoint what other nodes have of it: the same objects as long as the endpoint is the same. */
const places = mappedList(({ networkId, nodeId, taskId, vtep, mac, addresses }: EndpointRecord) => {
  // A node's own endpoint is its ingress_sbox's.
  const sandbox = taskId === '' ? { sandbox: true } : {};
  const entries = addresses.map(addressOf).map((address): RemoteEndpoint => ({ address, mac, vtep, ...sandbox }));
  return { networkId, owner: nodeId, entries: vtep === '' ? [] : entries };
});

/** What sandboxes are made from beside their tasks. */
interface Known {
  readonly networks: ReadonlyMap<string, NetworkRecord>;
  readonly virtualServices: ReadonlyMap<string, readonly VirtualService[]>;
  readonly services: Assignments['services'];
}

/** Undefined while a network of the task is not known: it shall not run with a part of its networks. */
function sandbox({ task, status }: LocalTask, { networks, virtualServices, services }: Known): Sandbox | undefined {
  const attached = task.networks.flatMap((attachment): { network: NetworkRecord; endpoint: SandboxEndpoint }[] => {
    const network = networks.get(attachment.networkId);
    const addresses = attachment.addresses.map(addressOf);
    return network && addresses.length > 0
      ? [{ network, endpoint: { networkId: network.id, addresses, mac: attachment.mac } }]
      : [];
  });
  if (attached.length < task.networks.length) return undefined;
  const ingress = attached.find(({ network }) => network.ingress)?.network;
  const hostPorts = status.portStatus.ports.map(hostPort);
  const open = attached.filter(({ network }) => !network.internal).map(({ network }) => network);
  const isRoutedOut = open.some(isRouted);
  return {
    id: task.id,
    endpoints: attached.map(({ endpoint }) => endpoint),
    // A routed network leads out by itself.
    gateway: (hostPorts.length > 0 && !isRoutedOut) || !attached.length || open.some((network) => !isRouted(network)),
    // Nobody resolves a name to an address of the ingress network, so its virtual addresses are left out.
    virtualServices: attached
      .filter(({ network }) => !network.ingress)
      .flatMap(({ network }) => virtualServices.get(network.id) ?? []),
    ingress: ingress && sandboxIngress(ingress, services.get(task.serviceId)?.ports ?? task.endpoint.ports),
    hostPorts,
    resolver: {
      zones: attached.filter(({ network }) => !network.ingress).map(({ network }) => network.id),
      nameservers: task.spec.container.dns.nameservers,
      forward: !attached.length || open.length > 0,
    },
  };
}

/** @param ports the service's as they are now; of a service that managers no longer mention, as its task has them */
function sandboxIngress({ id, ipam }: NetworkRecord, ports: readonly PortConfig[]): SandboxIngress | undefined {
  const subnets = ipam.map(({ subnet }) => subnet).filter((subnet) => subnet !== '');
  if (!subnets.some(isV4)) return undefined;
  const byKey = new Map(
    ports.filter(isOnMesh).map((port): [string, IngressPort] => {
      const protocol = protocolText(port.protocol);
      const { publishedPort: published, targetPort: target } = port;
      return [`${published}/${protocol}`, { protocol, published, target }];
    }),
  );
  return { subnets, overlayId: id, ports: [...byKey.values()] };
}

/** Managers have refused schedulers that there are not. */
function spreadOf({ scheduler, affinityTimeout }: PortConfig): Pick<PublishedPort, 'scheduler' | 'affinity'> {
  return {
    ...(isScheduler(scheduler) && { scheduler }),
    ...(affinityTimeout > 0 && { affinity: affinityTimeout / 1e9 }),
  };
}

const isOnMesh = ({ publishMode, publishedPort }: PortConfig): boolean =>
  publishMode === PublishMode.INGRESS && publishedPort !== 0;

function hostPort(port: LocalTask['status']['portStatus']['ports'][number]): HostPort {
  return {
    protocol: protocolText(port.protocol),
    hostAddress: port.hostIp,
    published: port.publishedPort,
    target: port.targetPort,
  };
}

type Backends = ReturnType<typeof backendsByService>;

/** Also services without backends: their addresses refuse connections and lead nowhere else. */
function virtualServicesByNetwork(
  services: readonly ServiceRecord[],
  backends: Backends,
): ReadonlyMap<string, readonly VirtualService[]> {
  const byNetwork = new Map<string, VirtualService[]>();
  for (const service of services) {
    if (service.mode !== EndpointMode.VIP) continue;
    for (const vip of service.virtualIps) {
      if (vip.address === '') continue;
      const inNetwork = byNetwork.get(vip.networkId) ?? [];
      const address = addressOf(vip.address);
      inNetwork.push({ address, backends: backends(vip.networkId, service.id, familyOf(address)) });
      byNetwork.set(vip.networkId, inNetwork);
    }
  }
  return byNetwork;
}

function ingressOf(
  attachments: readonly NetworkAttachment[],
  network: NetworkRecord | undefined,
  services: readonly ServiceRecord[],
  backends: Backends,
): Ingress | undefined {
  const attachment = attachments.find((candidate) => candidate.networkId === network?.id);
  if (!network || !attachment?.addresses.some(isV4)) return undefined;
  const published = new Map<string, PublishedPort>();
  for (const service of services) {
    for (const port of service.ports) {
      if (!isOnMesh(port)) continue;
      const protocol = protocolText(port.protocol);
      published.set(`${port.hostIp}:${port.publishedPort}/${protocol}`, {
        protocol,
        published: port.publishedPort,
        target: port.targetPort,
        hostAddress: port.hostIp,
        ...spreadOf(port),
        backends: ([4, 6] as const).flatMap((family) => backends(network.id, service.id, family)),
      });
    }
  }
  const { addresses, mac } = attachment;
  return { overlayId: network.id, addresses, mac, services: [...published.values()] };
}

function isV4(cidr: string): boolean {
  return cidr !== '' && familyOf(cidr) === 4;
}

/** Of the way in and out: it makes the node forward IPv6, which it does not before a task or a published port asks for it. */
function needsIpv6(housed: readonly LocalTask[], ingress: Ingress | undefined): boolean {
  return housed.some(hasIpv6) || (ingress?.services.length ? ingress.addresses.some((cidr) => !isV4(cidr)) : false);
}

function hasIpv6({ task }: LocalTask): boolean {
  return task.networks.some(({ addresses }) => addresses.some((address) => familyOf(address) === 6));
}

function byId<T>(id: (item: T) => string): (a: T, b: T) => number {
  return (a, b) => (id(a) < id(b) ? -1 : id(a) > id(b) ? 1 : 0);
}
