import { addressOf } from '../../lib/ip.js';
import type { LocalNetwork, LocalNetworkUser } from '../../proto/gen/containers.js';
import type { GetNetworkResponse, NetworkLease, NetworkService, NetworkUser } from '../../proto/gen/control.js';
import type { Network } from '../../proto/gen/objects.js';
import { type IPAMConfig, type NetworkSpec, type PortConfig, PublishMode } from '../../proto/gen/specs.js';
import { NEVER, nonBlank, nonEmpty } from './docker-common.js';
import { type GoMap, goMap } from './go-print.js';
import { rfc3339 } from './human.js';

const VXLAN_IDS = 'com.docker.network.driver.overlay.vxlanid_list';

/** `GET /networks/{id}` of a network of this machine, or of the swarm as this node knows it. */
export function dockerLocalNetwork({ id, spec, ipam, createdAt }: LocalNetwork, users: readonly LocalNetworkUser[]) {
  return {
    ...common(id, createdAt, spec, ipam.length > 0 ? ipam : spec.ipam),
    Containers: dockerUsers(users),
    Options: goMap(spec.driverOptions),
    Labels: goMap(spec.labels),
  };
}

/**
 * `GET /networks/{id}` of a swarm's network: the containers are this node's, the peers and services the swarm's.
 * @param verbose with the services and their tasks
 */
export function dockerNetwork(
  { network, users, peers, services, leases }: GetNetworkResponse,
  local: readonly LocalNetworkUser[],
  verbose = false,
) {
  const { spec } = network;
  const { driverOptions } = spec;
  const options: Record<string, string> = network.vni === 0 ? {} : { [VXLAN_IDS]: String(network.vni) };
  return {
    ...common(network.id, network.meta.createdAt, spec, network.ipam.length > 0 ? network.ipam : spec.ipam),
    Containers: dockerUsers(local),
    Options: goMap({ ...driverOptions, ...options }),
    Labels: goMap(spec.labels),
    Peers: nonEmpty(peers.map(({ hostname, address }) => ({ Name: hostname, IP: address }))),
    Services: verbose ? dockerServices(services, users, local) : undefined,
    Leases: verbose && leases.length > 0 ? leases.map((lease) => leaseOf(lease, driverOptions)) : undefined,
    Problems: nonEmpty(network.problems),
  };
}

function common(id: string, createdAt: number, spec: NetworkSpec, ipam: readonly IPAMConfig[]) {
  return {
    Name: spec.name,
    Id: id,
    // What swarms have, only managers know the age of.
    Created: createdAt === 0 ? NEVER : rfc3339(createdAt),
    Scope: scopeOf(spec),
    Driver: driverOf(spec),
    EnableIPv4: !spec.disableIpv4,
    EnableIPv6: spec.ipv6,
    IPAM: {
      Driver: spec.ipamDriver || 'default',
      Options: Object.keys(spec.ipamOptions).length > 0 ? goMap(spec.ipamOptions) : null,
      Config: ipam.map(dockerIpam),
    },
    Internal: spec.internal,
    Attachable: spec.attachable,
    Ingress: spec.ingress,
    ConfigFrom: { Network: spec.configFrom },
    ConfigOnly: false,
  };
}

export function driverOf({ driver }: Pick<NetworkSpec, 'driver'>): string {
  return driver || 'overlay';
}

export function scopeOf(spec: Pick<NetworkSpec, 'driver' | 'scope'>): string {
  return spec.scope || (['overlay', 'routed'].includes(driverOf(spec)) ? 'swarm' : 'local');
}

/** What flannel keeps in etcd for a node, by its names: the node's address is the PublicIP. */
function leaseOf(
  { nodeId, hostname, subnet, gateway, address, mac, endpoints }: NetworkLease,
  options: NetworkSpec['driverOptions'],
) {
  const backend = options.backend ?? 'vxlan';
  return {
    Subnet: subnet,
    Gateway: gateway,
    Node: hostname || nodeId,
    PublicIP: address,
    BackendType: backend,
    VtepMAC: backend === 'vxlan' ? mac : undefined,
    Endpoints: endpoints,
  };
}

function dockerIpam(config: IPAMConfig) {
  return {
    Subnet: nonBlank(config.subnet),
    IPRange: nonBlank(config.ipRange),
    Gateway: nonBlank(config.gateway),
    AuxiliaryAddresses:
      Object.keys(config.auxiliaryAddresses).length > 0 ? goMap(config.auxiliaryAddresses) : undefined,
  };
}

function dockerUsers(users: readonly LocalNetworkUser[]): GoMap {
  return goMap(
    Object.fromEntries(
      users.map(({ containerId, containerName, endpoint }) => {
        const find = (isV6: boolean) => endpoint.addresses.find((address) => address.includes(':') === isV6) ?? '';
        return [
          containerId,
          {
            Name: containerName,
            EndpointID: endpoint.endpointId,
            MacAddress: endpoint.mac,
            IPv4Address: find(false),
            IPv6Address: find(true),
          },
        ];
      }),
    ),
  );
}

/** By name; what is no service's, as containers and nodes' own sandboxes, has the empty name. */
function dockerServices(
  services: readonly NetworkService[],
  users: readonly NetworkUser[],
  local: readonly LocalNetworkUser[],
): GoMap {
  const endpoints = new Map(local.map(({ containerId, endpoint }) => [containerId, endpoint.endpointId]));
  const tasksOf = (serviceId: string) =>
    users.filter((user) => user.serviceId === serviceId).map((user) => dockerTask(user, endpoints));
  const named = services.map((service): [string, object] => [
    service.name,
    {
      VIP: service.virtualIps[0] === undefined ? '' : addressOf(service.virtualIps[0]),
      Ports: service.ports.filter(({ publishMode }) => publishMode === PublishMode.INGRESS).map(portWords),
      LocalLBIndex: 0,
      Tasks: tasksOf(service.id),
    },
  ]);
  const others = tasksOf('');
  const nameless: [string, object][] =
    others.length > 0 ? [['', { VIP: '<nil>', Ports: [], LocalLBIndex: 0, Tasks: others }]] : [];
  return goMap(Object.fromEntries([...named, ...nameless]));
}

function portWords({ targetPort, publishedPort }: PortConfig): string {
  return `Target: ${targetPort}, Publish: ${publishedPort}`;
}

/** @param endpoints ids by container, of this node: those of others are not known here, and are told by whose they are */
function dockerTask(user: NetworkUser, endpoints: ReadonlyMap<string, string>) {
  const owner = user.containerId || user.taskId || user.nodeId;
  return {
    Name: user.taskName,
    EndpointID: endpoints.get(owner) ?? owner,
    EndpointIP: addressOf(user.attachment.addresses[0] ?? ''),
    Info: goMap({ 'Host IP': user.nodeAddress }),
  };
}

/** What a list shows of a network, wherever it is kept. */
export type AnyNetwork = Pick<Network, 'id' | 'spec'> & { readonly createdAt: number };
