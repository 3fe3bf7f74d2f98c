import { failedPrecondition, invalidArgument, resourceExhausted } from '../../lib/errors.js';
import { type Cidr, formatCidr, overlaps, parseCidr } from '../../lib/ip.js';
import { checkSubnet, defaultGateway, nextSubnet, Subnet } from '../../lib/ipam.js';
import { IPAMConfig } from '../../proto/gen/index.js';

/** A block of addresses that something on this machine has. */
export interface Claim {
  readonly cidr: Cidr;
  /** In words: network "front" (0123456789ab), the route 10.8.0.0/16 of tun0. */
  readonly owner: string;
}

/** Docker's default pools for local networks. */
const LARGE = Array.from({ length: 15 }, (_, i) => parseCidr(`172.${17 + i}.0.0/16`));
const SMALL = parseCidr('192.168.0.0/16');
const SMALL_PREFIX = 20;

export interface SubnetRequest {
  /** As asked for; entries without a subnet leave it open. */
  readonly ipam: readonly IPAMConfig[];
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  /** Of the network, 64 hexadecimal digits: an IPv6 subnet that is left open is told from it. */
  readonly id: string;
}

/**
 * The subnets of a new network, with their gateways.
 * @throws INVALID_ARGUMENT for what is wrong in itself
 * @throws FAILED_PRECONDITION that names what a subnet collides with
 * @throws RESOURCE_EXHAUSTED when none is free
 */
export function chooseSubnets({ ipam, ipv4, ipv6, id }: SubnetRequest, claims: readonly Claim[]): IPAMConfig[] {
  const given = ipam.flatMap((config) => {
    const cidr = checkSubnet(config);
    return cidr ? [{ config, cidr }] : [];
  });
  if (!ipv4 && !ipv6) throw invalidArgument('a network needs IPv4 or IPv6: neither is enabled');
  for (const [index, { config, cidr }] of given.entries()) {
    if (cidr.family === 6 && !ipv6) {
      throw invalidArgument(`subnet ${config.subnet} is of IPv6, which the network is not to have`, {
        value: config.subnet,
        hint: 'Add --ipv6.',
      });
    }
    if (given.slice(0, index).some((other) => other.cidr.family === cidr.family)) {
      throw invalidArgument(`subnet ${config.subnet}: a bridge has one subnet of each family`, {
        value: config.subnet,
      });
    }
    refuseCollision(cidr, claims);
  }
  const chosen = given.map(({ config }) => config);
  const has = (family: 4 | 6) => given.some(({ cidr }) => cidr.family === family);
  if (ipv4 && !has(4)) chosen.unshift(IPAMConfig.create({ subnet: formatCidr(freeSubnet(claims)) }));
  if (ipv6 && !has(6)) chosen.push(IPAMConfig.create({ subnet: uniqueLocal(id) }));
  return chosen.map((config) => {
    const complete = { ...config, gateway: config.gateway || freeGateway(config) };
    // Also that what it keeps back is in it, each once.
    new Subnet(complete);
    return complete;
  });
}

function refuseCollision(cidr: Cidr, claims: readonly Claim[]): void {
  const other = claims.find((claim) => overlaps(claim.cidr, cidr));
  if (!other) return;
  throw failedPrecondition(`subnet ${formatCidr(cidr)} overlaps ${formatCidr(other.cidr)} of ${other.owner}`, {
    value: formatCidr(cidr),
    hint: 'Choose another one, or leave --subnet out: then a free one is taken.',
  });
}

/** The first of Docker's default pools that nobody on this machine has. */
export function firstFree(claims: readonly Claim[]): Cidr | undefined {
  const taken = claims.map(({ cidr }) => cidr);
  return nextSubnet(LARGE, 16, taken) ?? nextSubnet([SMALL], SMALL_PREFIX, taken);
}

/** @throws RESOURCE_EXHAUSTED */
export function freeSubnet(claims: readonly Claim[]): Cidr {
  const free = firstFree(claims);
  if (free) return free;
  throw resourceExhausted('no subnet is free: all of 172.17.0.0/16 to 172.31.0.0/16 and 192.168.0.0/16 are in use', {
    hint: 'Remove a network that nobody uses, or give a subnet: network create --subnet 10.99.0.0/24.',
  });
}

/** RFC 4193: fd, 40 bits that nobody else has chosen, and the first subnet. */
function uniqueLocal(id: string): string {
  return formatCidr(parseCidr(`fd${id.slice(0, 2)}:${id.slice(2, 6)}:${id.slice(6, 10)}::/64`));
}

/** The first address that is not kept back for others: of the range when there is one, as Docker has it. */
function freeGateway(config: IPAMConfig): string {
  const from = config.ipRange === '' ? parseCidr(config.subnet) : parseCidr(config.ipRange);
  const aux = new Set(Object.values(config.auxiliaryAddresses));
  const first = defaultGateway(parseCidr(config.subnet));
  if (config.ipRange === '' && !aux.has(first)) return first;
  const subnet = new Subnet({ ...config, gateway: '' });
  const address = subnet.take();
  if (address === undefined) {
    throw invalidArgument(`no address is left for the gateway of ${formatCidr(from)}`, { value: config.subnet });
  }
  return subnet.format(address).replace(/\/.*$/, '');
}
