import { addressOf, formatCidr, parseCidr } from '../../lib/ip.js';
import { defaultGateway } from '../../lib/ipam.js';
import type { RoutedNetwork, RoutePeer } from '../../netlb/state.js';
import type { EndpointRecord, NetworkRecord } from '../../proto/gen/index.js';
import type { LocalTask } from '../agent/local-task.js';

const MTU_OPTION = 'com.docker.network.driver.mtu';
const BACKEND_OPTION = 'backend';

/** What is asked for; 0: what the underlay carries. */
export const mtuOf = ({ driverOptions }: NetworkRecord): number => Number(driverOptions[MTU_OPTION] ?? 0);

/** Each node has a subnet of it. */
export const isRouted = ({ driver }: NetworkRecord): boolean => driver === 'routed';

/**
 * A routed network as this node has it. Its own subnet is told from the addresses of its containers: they are the
 * node's lease, and remain so when managers cannot be asked.
 * @param housed tasks and attachments of this node with a network namespace
 * @param endpoints of all networks and nodes; a node's own is its lease
 */
export function routedNetwork(
  network: NetworkRecord,
  housed: readonly LocalTask[],
  endpoints: readonly EndpointRecord[],
  nodeId: string,
): RoutedNetwork {
  const { id, vni, internal } = network;
  const addresses = housed.flatMap(({ task }) =>
    task.networks.filter(({ networkId }) => networkId === id).flatMap((attachment) => attachment.addresses),
  );
  return {
    id,
    backend: network.driverOptions[BACKEND_OPTION] === 'host-gw' ? 'host-gw' : 'vxlan',
    vni,
    subnet: network.ipam[0]?.subnet ?? '',
    gateways: [...new Set(addresses.map(gatewayOf))].sort(),
    mtu: mtuOf(network),
    internal,
    peers: endpoints.filter((endpoint) => endpoint.networkId === id).flatMap((endpoint) => peerOf(endpoint, nodeId)),
  };
}

/** The first address of the subnet that an address is in; both CIDRs. */
function gatewayOf(cidr: string): string {
  const subnet = parseCidr(cidr);
  return `${defaultGateway(subnet)}/${subnet.prefix}`;
}

function peerOf({ taskId, nodeId, addresses, vtep, mac }: EndpointRecord, self: string): RoutePeer[] {
  const [gateway] = addresses;
  if (taskId !== '' || nodeId === self || vtep === '' || gateway === undefined) return [];
  return [{ subnet: formatCidr(parseCidr(gateway)), address: addressOf(vtep), mac }];
}
