import { failedPrecondition, invalidArgument } from '../../lib/errors.js';
import {
  addressOf,
  contains,
  familyOf,
  formatAddress,
  formatCidr,
  macOf,
  overlaps,
  parseAddress,
  parseCidr,
} from '../../lib/ip.js';
import {
  GATEWAY_BRIDGE,
  GATEWAY_PORTS,
  NODE_NAMESPACE,
  OVERLAY_BRIDGE,
  OVERLAY_PORTS,
  overlayNamespace,
  portName,
} from '../names.js';
import type { GatewayBridge, SandboxEndpoint } from '../state.js';
import type { InterfaceBlueprint, RouteBlueprint } from './model.js';

export const TABLE_MAIN = 254;

/** What sandboxes need to know of an overlay. */
export interface OverlayNetwork {
  readonly kind: 'overlay';
  readonly id: string;
  readonly mtu: number;
  /** CIDR of each subnet's gateway. */
  readonly gateways: readonly string[];
}

/**
 * An address is behind one interface of a sandbox.
 * @throws FAILED_PRECONDITION that names the two whose subnets overlap
 */
export function checkDisjoint(interfaces: readonly InterfaceBlueprint[]): void {
  const subnets = interfaces.flatMap(({ name, addresses, port }) =>
    addresses.map((cidr) => ({ name, cidr: parseCidr(cidr), place: port.namespace || port.bridge })),
  );
  for (const [i, one] of subnets.entries()) {
    const other = subnets.slice(0, i).find(({ name, cidr }) => name !== one.name && overlaps(cidr, one.cidr));
    if (other === undefined) continue;
    const words = [other, one].map(({ name, cidr, place }) => `${formatCidr(cidr)} of ${name} (${place})`);
    throw failedPrecondition(`${words.join(' overlaps ')}: its packets would not know which way to go`, {
      value: formatCidr(one.cidr),
    });
  }
}

/** @param owner id of whose interface it is, shown as the port's alias */
export function overlayInterface(
  owner: string,
  name: string,
  endpoint: SandboxEndpoint,
  cidrs: readonly string[],
  mtu: number,
): InterfaceBlueprint {
  return {
    name,
    mac: endpoint.mac,
    mtu,
    addresses: cidrs,
    port: {
      namespace: overlayNamespace(endpoint.networkId),
      bridge: OVERLAY_BRIDGE,
      name: portName(OVERLAY_PORTS, owner, name, endpoint.networkId, ...cidrs, endpoint.mac),
      alias: `${owner} ${name}`,
      isolated: false,
      hairpin: false,
    },
  };
}

/** @param cidrs the IPv4 address, which the pair is known by, and perhaps one for IPv6 */
export function gatewayInterface(
  owner: string,
  name: string,
  cidrs: readonly [string, ...string[]],
  mtu: number,
  isolated: boolean,
): InterfaceBlueprint {
  const [cidr] = cidrs;
  return {
    name,
    mac: macOf(cidr),
    mtu,
    addresses: cidrs,
    port: {
      namespace: NODE_NAMESPACE,
      bridge: GATEWAY_BRIDGE,
      name: portName(GATEWAY_PORTS, owner, name, cidr),
      alias: `${owner} ${name}`,
      isolated,
      // Where ports are not isolated, translated frames are bridged, and may lead to where they came from.
      hairpin: !isolated,
    },
  };
}

/** @param mtu of the path, when it is less than the interface's for what comes back another way */
export const defaultRoute = (gateway: string, name: string, mtu?: number): RouteBlueprint => ({
  destination: familyOf(gateway) === 4 ? '0.0.0.0/0' : '::/0',
  via: addressOf(gateway),
  interface: name,
  onlink: false,
  table: TABLE_MAIN,
  mtu,
});

/**
 * The network's other subnets, for an interface that has addresses in some: all endpoints are on one bridge and
 * need no router between them.
 */
export function subnetRoutes(gateways: readonly string[], cidrs: readonly string[], name: string): RouteBlueprint[] {
  const own = new Set(cidrs.map((cidr) => formatCidr(parseCidr(cidr))));
  return gateways
    .filter((gateway) => cidrs.some((cidr) => familyOf(cidr) === familyOf(gateway)))
    .map((gateway) => formatCidr(parseCidr(gateway)))
    .filter((destination) => !own.has(destination))
    .map((destination) => ({
      destination,
      via: undefined,
      interface: name,
      onlink: false,
      table: TABLE_MAIN,
      mtu: undefined,
    }));
}

/**
 * The rest of a routed network. Also where the default route leads elsewhere; and a virtual address, which is in no
 * node's subnet, is called from the address that its backends are to answer.
 */
export const routedRoute = (subnet: string, gateway: string, name: string): RouteBlueprint => ({
  destination: formatCidr(parseCidr(subnet)),
  via: addressOf(gateway),
  interface: name,
  onlink: false,
  table: TABLE_MAIN,
  mtu: undefined,
});

/**
 * The IPv6 address that goes with an IPv4 one on the gateway bridge: as far from the subnet's base, so that both
 * are told from one.
 * @throws INVALID_ARGUMENT when the IPv6 subnet is too small for that
 */
export function gatewayAddress6({ address6 }: GatewayBridge, cidr: string): string {
  const { address, base } = parseCidr(cidr);
  const subnet = parseCidr(address6);
  const value = { family: 6, value: subnet.base + address - base } as const;
  if (!contains(subnet, value))
    throw invalidArgument(`the gateway bridge's IPv6 subnet ${formatCidr(subnet)} has no address for ${cidr}`, {
      value: address6,
    });
  return `${formatAddress(value)}/${subnet.prefix}`;
}

/**
 * An address in canonical form with the prefix length of the subnet that it lies in: the first gateway's
 * whose subnet has it. Undefined when none has.
 */
export function cidrIn(gateways: readonly string[], address: string): string | undefined {
  const parsed = parseAddress(address);
  const subnet = gateways.map(parseCidr).find((cidr) => contains(cidr, parsed));
  return subnet && `${formatAddress(parsed)}/${subnet.prefix}`;
}
