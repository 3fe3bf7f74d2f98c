/** What of the node's own namespace is not of our making: its names and subnets are taken. */
import { type Cidr, contains, familyOf, overlaps, parseCidr } from '../../lib/ip.js';

export interface Foreign {
  /** Kinds of links by name; undefined for hardware. */
  readonly links: ReadonlyMap<string, string | undefined>;
  readonly subnets: readonly ForeignSubnet[];
}

export interface ForeignSubnet {
  /** CIDR: of an address, or a route's destination. */
  readonly cidr: string;
  /** "the address 172.17.0.1/16 of docker0", "the route 10.0.0.0/8 via 192.0.2.254". */
  readonly what: string;
}

/**
 * Routes this short are ways to everywhere, which a bridge's own route overrules: the default route, and the halves
 * of it that VPNs add.
 */
const EVERYWHERE = { 4: 1, 6: 3 } as const;
const LINK_LOCAL = parseCidr('fe80::/10');

/** Whether a subnet is somebody's, so that a bridge cannot have it too. */
export function isTaken(cidr: string): boolean {
  const family = familyOf(cidr);
  const { prefix, base } = parseCidr(cidr);
  return prefix > EVERYWHERE[family] && !contains(LINK_LOCAL, { family, value: base });
}

/** What has a part of a subnet, in words; undefined when nothing has. */
export function holderOf(subnet: Cidr, { subnets }: Foreign): string | undefined {
  return subnets.find(({ cidr }) => overlaps(parseCidr(cidr), subnet))?.what;
}

export const whose = ({ kind, name }: { readonly kind: string | undefined; readonly name: string }): string =>
  `a ${kind ?? 'link'} that docker or someone else made; remove it (ip link delete ${name}) to let this node have its own`;
