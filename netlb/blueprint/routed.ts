/**
 * Routed networks (flannel's model): a bridge of this node's own subnet, and one route to each other node's. With
 * VXLAN the routes lead out of a device that is no port of the bridge: frames never cross nodes, packets do.
 */
import { invalidArgument } from '../../lib/errors.js';
import {
  addressOf,
  type Cidr,
  contains,
  formatAddress,
  macOf,
  overlaps,
  parseAddress,
  parseCidr,
} from '../../lib/ip.js';
import { ROUTE_PROTOCOL, routedBridgeName, routedDeviceName } from '../names.js';
import type { RoutedNetwork, RoutePeer, Underlay } from '../state.js';
import { type BridgeNetwork, bridgeNetwork, checkIsFree, type RoutedBridge } from './bridges.js';
import { checkAddress, checkCidr, checkId, checkMac, checkMtu, checkPort, checkVni } from './check.js';
import { type Facts, overlayMtu } from './facts.js';
import { TABLE_MAIN } from './interfaces.js';
import type { RouteBlueprint, Subject, VxlanBlueprint } from './model.js';

const ETHERNET_MTU = 1500;

/** A routed network in the node's namespace. */
export interface RoutedParts {
  readonly bridge: BridgeNetwork;
  readonly vxlan: VxlanBlueprint | undefined;
  readonly routes: readonly RouteBlueprint[];
}

export const subjectOfRouted = ({ id }: Pick<RoutedNetwork, 'id'>): Subject => ({ kind: 'bridge', id });

/** What of the node stays as it is when the network cannot be described: its links, and its routes by destination. */
export const sparedOf = ({ id, vni, peers }: RoutedNetwork): string[] => [
  routedBridgeName(id),
  routedDeviceName(vni),
  ...peers.map(({ subnet }) => subnet),
];

/**
 * @param others bridges that are made already: names and subnets are given once
 * @param tell what is wrong and yet left as it is
 * @throws INVALID_ARGUMENT, ALREADY_EXISTS when something else has a part of the network's subnet
 */
export function routedNetwork(
  network: RoutedNetwork,
  underlay: Underlay,
  others: readonly RoutedBridge[],
  facts: Facts,
  tell: (message: string) => void,
): RoutedParts {
  const { id, backend, gateways, internal, peers } = network;
  const whole = checkNetwork(network, underlay);
  const name = routedBridgeName(id);
  checkIsFree(name, whole, facts.bridgeAddresses.has(name), others, facts, tell);
  const mtu = backend === 'vxlan' ? overlayMtu(network.mtu, facts.underlayMtu) : network.mtu || underlayMtu(facts);
  const device = backend === 'vxlan' ? routedDeviceName(network.vni) : facts.underlayLink?.name;
  const bridge = bridgeNetwork(
    { id, name, gateways, mtu, internal, interContainer: true, masquerade: true },
    others,
    facts,
    tell,
  );
  const routed = device === undefined ? undefined : { subnet: network.subnet, device, sources: sourcesOf(network) };
  return {
    bridge: { ...bridge, routed },
    vxlan: backend === 'vxlan' ? tunnel(network, underlay, mtu) : undefined,
    routes: backend === 'vxlan' ? peers.map((peer) => tunnelRoute(network, peer)) : directRoutes(network, facts, tell),
  };
}

const underlayMtu = (facts: Facts): number => facts.underlayMtu ?? ETHERNET_MTU;

function checkNetwork({ id, vni, backend, subnet, gateways, mtu, peers }: RoutedNetwork, underlay: Underlay): Cidr {
  checkId(id);
  const whole = checkCidr(subnet, 'subnet');
  if (mtu !== 0) checkMtu(mtu, gateways);
  if (backend === 'vxlan') {
    checkVni(vni);
    checkPort(underlay.vxlanPort, 'data-path port');
  }
  const own = gateways.map((gateway) => checkCidr(gateway, 'lease'));
  for (const { subnet: text, address, mac } of peers) {
    const lease = checkCidr(text, 'lease');
    checkAddress(address, 'node');
    if (backend === 'vxlan') checkMac(mac);
    if (!contains(whole, { family: 4, value: lease.base }) || own.some((cidr) => overlaps(cidr, lease)))
      throw invalidArgument(`lease ${text} of ${address} is this node's own, or not in ${subnet}`, { value: text });
  }
  return whole;
}

/** Where packets from other nodes come from: their containers, and without encapsulation the nodes themselves too. */
const sourcesOf = ({ backend, subnet, peers }: RoutedNetwork): string[] =>
  backend === 'vxlan' ? [subnet] : [subnet, ...peers.map(({ address }) => address)];

/** The lowest address of a lease: its node's VXLAN device has it, and nobody else. */
const deviceAddress = (lease: string): string => {
  const { family, base } = parseCidr(lease);
  return formatAddress({ family, value: base });
};

function tunnel(network: RoutedNetwork, underlay: Underlay, mtu: number): VxlanBlueprint {
  const addresses = network.gateways.map(deviceAddress);
  const [first] = addresses;
  return {
    name: routedDeviceName(network.vni),
    subject: subjectOfRouted(network),
    bridge: undefined,
    vni: network.vni,
    port: underlay.vxlanPort,
    local: underlay.address,
    mac: first === undefined ? undefined : macOf(first),
    mtu,
    addresses: addresses.map((address) => `${address}/32`),
    remotes: network.peers.map(({ subnet, address, mac }) => ({
      address: deviceAddress(subnet),
      mac,
      vtep: address,
    })),
  };
}

const route = (
  network: RoutedNetwork,
  destination: string,
  how: Pick<RouteBlueprint, 'via' | 'interface' | 'onlink'>,
) => ({
  ...how,
  destination,
  subject: subjectOfRouted(network),
  protocol: ROUTE_PROTOCOL,
  table: TABLE_MAIN,
  mtu: undefined,
});

/** The peer's device is a neighbour of this node's, though no route says so. */
const tunnelRoute = (network: RoutedNetwork, { subnet }: RoutePeer): RouteBlueprint =>
  route(network, subnet, { via: deviceAddress(subnet), interface: routedDeviceName(network.vni), onlink: true });

function directRoutes(network: RoutedNetwork, facts: Facts, tell: (message: string) => void): RouteBlueprint[] {
  const { underlayLink } = facts;
  if (underlayLink === undefined) return [];
  const segment = parseCidr(underlayLink.cidr);
  return network.peers.flatMap(({ subnet, address }) => {
    if (contains(segment, parseAddress(address)))
      return [route(network, subnet, { via: address, interface: underlayLink.name, onlink: false })];
    tell(
      `backend host-gw reaches nodes on one segment only: ${address}, which has ${subnet}, is not in that of ` +
        `${addressOf(underlayLink.cidr)} (${underlayLink.cidr} of ${underlayLink.name}); use backend=vxlan`,
    );
    return [];
  });
}
