import { familyOf, formatAddress, parseCidr } from '../../lib/ip.js';
import { type Claim, firstFree } from './subnets.js';

/** Of tsswarm0, whether it has it or not: people expect it there. */
const DEFAULT_NETWORK: Claim = { cidr: parseCidr('172.17.0.0/16'), owner: 'the network "bridge"' };
/** When all pools are in use: the data plane then names what it overlaps. */
const LAST_RESORT = parseCidr('172.18.0.0/16');

/**
 * The address of swarm_gwbridge: what it has, so that a restart changes nothing; or else the first of the first
 * subnet of the pools for local networks that nobody has, which is 172.18.0.0/16 on most machines.
 * @param there CIDRs of the bridge's addresses; none when it is not there
 * @param claims of others on this machine
 * @returns CIDR
 */
export function chooseGatewayBridge(there: readonly string[], claims: readonly Claim[]): string {
  const present = there.find((cidr) => familyOf(cidr) === 4);
  if (present !== undefined) return present;
  const { family, base, prefix } = firstFree([DEFAULT_NETWORK, ...claims]) ?? LAST_RESORT;
  return `${formatAddress({ family, value: base + 1n })}/${prefix}`;
}
