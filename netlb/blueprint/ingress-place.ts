/** Where a task is in the ingress network, and who there is a client. */
import { type Cidr, familyOf, formatCidr } from '../../lib/ip.js';
import { type Family, ipName } from '../nft/family.js';
import type { IngressPort } from '../state.js';

export interface IngressPlace {
  /** The interface in the ingress overlay. */
  readonly interface: string;
  /** Of the ingress network, of either family. */
  readonly subnets: readonly Cidr[];
  /** The task's addresses in it. */
  readonly addresses: readonly string[];
  /** The task's addresses on the gateway bridge, one of each family that it has there. */
  readonly gatewayAddresses: readonly string[];
  readonly ports: readonly IngressPort[];
}

/** Whoever has them is next to the task, and no client of a node. */
const LINK_LOCAL = { 4: [], 6: ['fe80::/10'] } as const;

export const oneOfFamily = (addresses: readonly string[], family: Family): string | undefined =>
  addresses.find((address) => familyOf(address) === family);

export const subnetsOfFamily = ({ subnets }: Pick<IngressPlace, 'subnets'>, family: Family): Cidr[] =>
  subnets.filter((subnet) => subnet.family === family);

/** Those over which clients can be answered: the ingress network has them, and so has the gateway bridge. */
export const answeredFamilies = (place: Pick<IngressPlace, 'subnets' | 'gatewayAddresses'>): Family[] =>
  ([4, 6] as const).filter(
    (family) => subnetsOfFamily(place, family).length > 0 && oneOfFamily(place.gatewayAddresses, family) !== undefined,
  );

/** Sources that are no client's, in nft's words: who has them is a member of the ingress network. */
export function members(place: Pick<IngressPlace, 'subnets'>, family: Family): string {
  const all = [...subnetsOfFamily(place, family).map(formatCidr), ...LINK_LOCAL[family]];
  return all.length === 1 ? all.join() : `{ ${all.join(', ')} }`;
}

/** What clients send, in nft's words. */
export const fromClients = (place: Pick<IngressPlace, 'interface' | 'subnets'>, family: Family): string =>
  `iifname "${place.interface}" ${ipName[family]} saddr != ${members(place, family)}`;
