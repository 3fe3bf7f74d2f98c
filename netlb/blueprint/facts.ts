import { addressOf, contains, formatAddress, parseAddress, parseCidr } from '../../lib/ip.js';
import type { Firewall } from '../nft/firewall.js';
import type { EncryptionFacts } from './encryption.js';
import type { Foreign } from './foreign.js';
import type { Occupation } from './occupied.js';
import type { ResolverPorts } from './resolver.js';

/** What a blueprint takes from the machine instead of from the desired state. */
export interface Facts {
  /** Of the link that has the underlay address; undefined when no link has it, or there is none. */
  readonly underlayMtu: number | undefined;
  /** The link that has the underlay address, and that address as a CIDR; undefined likewise. */
  readonly underlayLink: { readonly name: string; readonly cidr: string } | undefined;
  /**
   * An IPv6 address that other machines know the node by: of the underlay's link, or else of another one that is not
   * ours. Undefined when it has none.
   */
  readonly address6: string | undefined;
  /** For which family the node's bridge netfilter is on: frames between ports of a bridge pass the IP hooks. */
  readonly bridgeNetfilter: ReadonlySet<4 | 6>;
  /** Whether this kernel has nftables for bridges: without it the sources of overlays' frames are not looked at. */
  readonly bridgeFilter: boolean;
  /**
   * Whether tasks see the address of a published port's client. `lost`: this kernel lacks the netdev egress
   * hook (Linux 5.16) by which replies find their way back, so ingress_sbox hides it; `hidden`: as asked.
   */
  readonly clientAddress: 'kept' | 'hidden' | 'lost';
  /** Addresses on the gateway bridge by namespace, as they are now. */
  readonly gatewayAddresses: ReadonlyMap<string, string>;
  /** Names of the interfaces on the gateway bridge by namespace, as they are now. */
  readonly gatewayInterfaces: ReadonlyMap<string, string>;
  /** CIDRs of the node's bridges of our making, by name, as they are now. */
  readonly bridgeAddresses: ReadonlyMap<string, readonly string[]>;
  readonly foreign: Foreign;
  readonly firewalls: readonly Firewall[];
  /** Others' rules ask for the connections of what the node itself sends or receives. */
  readonly stateful: boolean;
  /** Links that have an IPv6 default route by a router's own word (RFC 4861). */
  readonly routerLearners: readonly string[];
  /** Marks by `protocol . published` (numbers), as they are now. */
  readonly marks: ReadonlyMap<string, number>;
  /** Ports by which those of one address enter ingress_sbox, by `address . protocol . published`, as they are now. */
  readonly entries: ReadonlyMap<string, number>;
  readonly occupation: Occupation;
  readonly encryption: EncryptionFacts;
  /** Where resolvers listen, by sandbox; a namespace that is not there yet has none. */
  readonly resolverPorts: ReadonlyMap<string, ResolverPorts>;
}

/** What is found out once, when the plane is opened. */
export type KernelFacts = Pick<Facts, 'clientAddress' | 'bridgeFilter'>;

/** Marks of published ports start here, as Swarm's do. */
const FIRST_MARK = 0x100;

/** Addresses are given from here on; the first of the subnet is the bridge's, the second ingress_sbox's. */
const RESERVED_ADDRESSES = 2n;

/** Address of ingress_sbox on the gateway bridge: the second of the subnet. */
export function ingressGatewayAddress(gatewayCidr: string): string {
  const { family, base, prefix } = parseCidr(gatewayCidr);
  return `${formatAddress({ family, value: base + 2n })}/${prefix}`;
}

/**
 * Addresses on the gateway bridge. A namespace keeps the one it has; the others get the lowest free ones
 * in the order given, so that equal input gives equal output.
 * @returns CIDR by namespace; a namespace is missing when the subnet is full
 */
export function assignGatewayAddresses(
  gatewayCidr: string,
  namespaces: readonly string[],
  current: ReadonlyMap<string, string>,
): Map<string, string> {
  const subnet = parseCidr(gatewayCidr);
  const reserved = new Set([addressOf(gatewayCidr), addressOf(ingressGatewayAddress(gatewayCidr))]);
  const taken = new Set(reserved);
  const assigned = new Map<string, string>();
  for (const namespace of namespaces) {
    const cidr = current.get(namespace);
    if (cidr === undefined || parseCidr(cidr).prefix !== subnet.prefix) continue;
    const address = addressOf(cidr);
    if (taken.has(address) || !contains(subnet, parseAddress(address))) continue;
    taken.add(address);
    assigned.set(namespace, cidr);
  }
  let next = subnet.base + RESERVED_ADDRESSES;
  for (const namespace of namespaces) {
    if (assigned.has(namespace)) continue;
    let address: string;
    do {
      next++;
      address = formatAddress({ family: subnet.family, value: next });
    } while (taken.has(address));
    if (next >= subnet.last) break;
    taken.add(address);
    assigned.set(namespace, `${address}/${subnet.prefix}`);
  }
  return assigned;
}

/**
 * Marks of published ports: a port keeps the one it has, so that connections and statistics go on under
 * the same number; new ones get the lowest free.
 */
export function assignMarks(keys: readonly string[], current: ReadonlyMap<string, number>): Map<string, number> {
  const marks = new Map<string, number>();
  const taken = new Set<number>();
  for (const key of keys) {
    const mark = current.get(key);
    if (mark === undefined || mark < FIRST_MARK || taken.has(mark)) continue;
    marks.set(key, mark);
    taken.add(mark);
  }
  let next = FIRST_MARK;
  for (const key of keys) {
    if (marks.has(key)) continue;
    while (taken.has(next)) next++;
    taken.add(next);
    marks.set(key, next);
  }
  return marks;
}

/** MTU of an overlay: what is asked for, or the underlay's less VXLAN's headers (14 + 20 + 8 + 8). */
export function overlayMtu(asked: number, underlayMtu: number | undefined): number {
  const VXLAN_OVERHEAD = 50;
  const ETHERNET_MTU = 1500;
  return asked || (underlayMtu ?? ETHERNET_MTU) - VXLAN_OVERHEAD;
}
