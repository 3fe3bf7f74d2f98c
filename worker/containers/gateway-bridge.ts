import { familyOf, formatAddress, parseCidr } from '../../lib/ip.js';
import { nextSubnet } from '../../lib/ipam.js';
import type { GatewayBridge } from '../../netlb/state.js';
import { type Claim, firstFree } from './subnets.js';

/** Of tsswarm0, whether it has it or not: people expect it there. */
const DEFAULT_NETWORK: Claim = { cidr: parseCidr('172.17.0.0/16'), owner: 'the network "bridge"' };
/** When all pools are in use: the data plane then names what it overlaps. */
const LAST_RESORT = parseCidr('172.18.0.0/16');
/** Unique local addresses (RFC 4193), the same on all nodes: nothing outside a node ever sees them. */
const POOL6 = parseCidr('fd00:7473::/48');

/**
 * The addresses of swarm_gwbridge: what is asked for; or else what it has, so that a restart changes nothing; or
 * else the first of the first subnet that nobody has: of the pools for local networks, which is 172.18.0.0/16 on most
 * machines, and fd00:7473::/64.
 * @param asked CIDR of the IPv4 address
 * @param there CIDRs of the bridge's addresses; none when it is not there
 * @param claims of others on this machine
 */
export function chooseGatewayBridge(
  asked: string | undefined,
  there: readonly string[],
  claims: readonly Claim[],
): GatewayBridge {
  const present = (family: 4 | 6) => there.find((cidr) => familyOf(cidr) === family && !cidr.startsWith('fe80:'));
  const taken = claims.map(({ cidr }) => cidr);
  return {
    address: asked ?? present(4) ?? firstAddress(firstFree([DEFAULT_NETWORK, ...claims]) ?? LAST_RESORT),
    address6: present(6) ?? firstAddress(nextSubnet([POOL6], 64, taken) ?? { ...POOL6, prefix: 64 }),
  };
}

const firstAddress = ({ family, base, prefix }: Pick<typeof POOL6, 'family' | 'base' | 'prefix'>): string =>
  `${formatAddress({ family, value: base + 1n })}/${prefix}`;
