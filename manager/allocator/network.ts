import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { codeOf, failedPrecondition, resourceExhausted } from '../../lib/errors.js';
import { type Cidr, familyOf, formatCidr, overlaps, parseCidr } from '../../lib/ip.js';
import { defaultGateway, Subnet } from '../../lib/ipam.js';
import { IPAMConfig, type Network, type NetworkSpec } from '../../proto/gen/index.js';
import { askedVni, LAST_VNI, vniTaken } from '../common/overlay-options.js';
import { backendOf, isRouted } from '../common/routed-options.js';
import { nextInTurn } from './turn.js';

const FIRST_VNI = 4096;

/** What others have. */
export interface Occupied {
  readonly subnets: readonly { readonly cidr: Cidr; readonly name: string }[];
  readonly vnis: ReadonlyMap<number, string>;
  /** Addresses of machines, each as a subnet of its own. */
  readonly hosts: readonly Cidr[];
}

/** Where subnets come from that nobody has chosen. */
export interface SubnetSource {
  readonly pools: readonly Cidr[];
  readonly prefix: number;
  /** Of unique local IPv6 addresses (RFC 4193), of which a network gets a /64. */
  readonly pool6: Cidr | undefined;
}

/**
 * What was given last of what nobody has chosen. The next is given from there on, and from the beginning only
 * when the end is reached: some node may not have noticed yet that an earlier network is gone.
 */
export interface LastGiven {
  readonly vni: number;
  readonly subnet: Cidr | undefined;
  readonly subnet6: Cidr | undefined;
}

export const NOTHING_GIVEN: LastGiven = { vni: FIRST_VNI - 1, subnet: undefined, subnet6: undefined };

const PREFIX6 = 64;

/** Overlays have a VNI and subnets; `host`, `bridge` and others are each node's own affair. */
function isOverlay(network: Network): boolean {
  return network.spec.driver === '' || network.spec.driver === 'overlay';
}

/** Its endpoints have addresses of the swarm's giving. */
export const givesAddresses = (network: Network): boolean => isOverlay(network) || isRouted(network);

/** The network, which others can have addresses in. @throws FAILED_PRECONDITION with why it is not ready */
export function allocated(network: Network): Network {
  if (network.allocated) return network;
  const why = network.problems.length > 0 ? `: ${network.problems.join('; ')}` : '';
  throw failedPrecondition(`network "${network.spec.name}" is not ready${why}`, { value: network.spec.name });
}

/**
 * The swarm's own /48 of unique local addresses: `fd` and 40 bits that are as good as random (RFC 4193, 3.2.2).
 * Two swarms that are joined by routes one day will hardly have the same.
 */
export function localPool(clusterId: string): Cidr {
  const digits = createHash('sha256').update(clusterId).digest('hex');
  return parseCidr(`fd${digits.slice(0, 2)}:${digits.slice(2, 6)}:${digits.slice(6, 10)}::/48`);
}

/**
 * The network with VNI, subnets and gateways given.
 * @throws FAILED_PRECONDITION when what it asks for is another network's
 * @throws RESOURCE_EXHAUSTED when the default pools are used up
 */
export function allocateNetwork(network: Network, occupied: Occupied, source: SubnetSource, last: LastGiven): Network {
  if (!givesAddresses(network)) return { ...network, allocated: true, problems: [] };
  const vni = network.vni !== 0 || !hasVni(network) ? network.vni : chooseVni(network, occupied, last);
  const own: Cidr[] = [];
  const ipam = askedSubnets(network.spec).map(({ family, config }, i) => {
    const given = network.ipam[i] ?? allocateSubnet(family, config, occupied, own, source, last);
    own.push(parseCidr(given.subnet));
    // Where each node has a part of the subnet each part has a gateway, and the whole none.
    return isRouted(network) ? { ...given, gateway: '' } : given;
  });
  const result: Network = { ...network, vni, ipam, allocated: true, problems: [] };
  return isDeepStrictEqual(result, network) ? network : result;
}

/** Whether it gets another subnet when it is full: the ingress network, where nobody has chosen how large it is. */
export const growsByItself = ({ spec }: Network): boolean =>
  spec.ingress && !spec.disableIpv4 && spec.ipam.every(({ subnet }) => subnet !== '' && familyOf(subnet) !== 4);

/**
 * The network with one more IPv4 subnet: one of whose addresses the low 16 bits are no other's of the network, while the
 * pools have such. By these a task tells the connections of one node's ingress_sbox from those of another's
 * (netlb/blueprint/wayback.ts).
 * @throws RESOURCE_EXHAUSTED when the default pools are used up
 */
export function growNetwork(network: Network, occupied: Occupied, source: SubnetSource, last: LastGiven): Network {
  const own = network.ipam.map(({ subnet }) => parseCidr(subnet));
  const alike = source.pools.flatMap((pool) => own.flatMap((subnet) => alikeIn(pool, subnet)));
  const grow = (taken: readonly Cidr[]): Network => ({
    ...network,
    ipam: [...network.ipam, allocateSubnet(4, IPAMConfig.create(), occupied, taken, source, last)],
  });
  try {
    return grow([...own, ...alike]);
  } catch (error) {
    if (codeOf(error) !== 'RESOURCE_EXHAUSTED') throw error;
    return grow(own);
  }
}

const LOW = 0xffffn;

/** Subnets of a pool whose addresses have the low 16 bits of another's. None where that has them all. */
function alikeIn(pool: Cidr, { family, prefix, base, last }: Cidr): Cidr[] {
  if (family !== 4 || pool.family !== 4 || prefix < 16) return [];
  const alike: Cidr[] = [];
  for (let high = pool.base & ~LOW; high <= pool.last; high += LOW + 1n) {
    const first = high | (base & LOW);
    alike.push({ family, prefix, address: first, base: first, last: high | (last & LOW) });
  }
  return alike;
}

/** What was given last, when this network has been given what it has. */
export function afterNetwork(last: LastGiven, { spec, vni, ipam }: Network): LastGiven {
  const named = new Set(spec.ipam.map(({ subnet }) => subnet));
  const chosen = (family: 4 | 6) =>
    ipam
      .filter(({ subnet }) => !named.has(subnet))
      .map(({ subnet }) => parseCidr(subnet))
      .findLast((subnet) => subnet.family === family);
  return {
    vni: askedVni(spec) === undefined && vni !== 0 ? vni : last.vni,
    subnet: chosen(4) ?? last.subnet,
    subnet6: chosen(6) ?? last.subnet6,
  };
}

/** A subnet for each that is named, and one for each family of which none is. */
function askedSubnets(spec: NetworkSpec): readonly { readonly family: 4 | 6; readonly config: IPAMConfig }[] {
  const asked = spec.ipam.map((config) => ({ family: config.subnet === '' ? 4 : familyOf(config.subnet), config }));
  const families = [...(spec.disableIpv4 ? [] : [4 as const]), ...(spec.ipv6 ? [6 as const] : [])];
  const missing = families.filter((family) => !asked.some((subnet) => subnet.family === family));
  return [...asked, ...missing.map((family) => ({ family, config: IPAMConfig.create() }))];
}

const hasVni = (network: Network): boolean => !isRouted(network) || backendOf(network.spec) === 'vxlan';

function chooseVni(network: Network, { vnis }: Occupied, last: LastGiven): number {
  const asked = askedVni(network.spec);
  if (asked !== undefined) {
    const other = vnis.get(asked);
    if (other !== undefined) throw vniTaken(asked, other);
    return asked;
  }
  const count = LAST_VNI - FIRST_VNI + 1;
  for (let i = 1; i <= count; i++) {
    const vni = FIRST_VNI + ((last.vni - FIRST_VNI + i) % count);
    if (!vnis.has(vni)) return vni;
  }
  throw resourceExhausted(`all VXLAN network identifiers from ${FIRST_VNI} to ${LAST_VNI} are used`);
}

function allocateSubnet(
  family: 4 | 6,
  config: IPAMConfig,
  occupied: Occupied,
  own: readonly Cidr[],
  source: SubnetSource,
  last: LastGiven,
): IPAMConfig {
  const cidr = config.subnet === '' ? chooseSubnet(family, occupied, own, source, last) : parseCidr(config.subnet);
  const other = occupied.subnets.find((s) => overlaps(s.cidr, cidr));
  if (other) {
    const what = `subnet ${formatCidr(cidr)} overlaps ${formatCidr(other.cidr)} of network "${other.name}"`;
    throw failedPrecondition(what, { value: config.subnet });
  }
  const allocated = { ...config, subnet: formatCidr(cidr), gateway: config.gateway || defaultGateway(cidr) };
  new Subnet(allocated); // what does not fit together is refused here, not when a task needs an address
  return allocated;
}

function chooseSubnet(
  family: 4 | 6,
  occupied: Occupied,
  own: readonly Cidr[],
  { pools, prefix, pool6 }: SubnetSource,
  last: LastGiven,
): Cidr {
  const taken = [...occupied.subnets.map((s) => s.cidr), ...own, ...occupied.hosts];
  const from = family === 4 ? { pools, prefix } : { pools: pool6 ? [pool6] : [], prefix: PREFIX6 };
  const cidr = nextInTurn(from.pools, from.prefix, taken, family === 4 ? last.subnet : last.subnet6);
  if (cidr) return cidr;
  throw resourceExhausted(`no free /${from.prefix} subnet in ${from.pools.map(formatCidr).join(', ')}`, {
    hint: 'Remove a network, or name a subnet outside these pools by --subnet.',
  });
}
