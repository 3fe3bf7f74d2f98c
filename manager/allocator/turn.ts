import { type Cidr, contains } from '../../lib/ip.js';
import { nextSubnet } from '../../lib/ipam.js';

/**
 * The next subnet after `last` that overlaps none of `taken`, through all pools in their order and then from the
 * beginning; undefined when all are taken.
 * @param last undefined, or a subnet that may be of none of the pools (any more): then the lowest is the next
 */
export function nextInTurn(
  pools: readonly Cidr[],
  prefix: number,
  taken: readonly Cidr[],
  last: Cidr | undefined,
): Cidr | undefined {
  const at = last ? pools.findIndex((pool) => contains(pool, { family: last.family, value: last.base })) : -1;
  const pool = pools[at];
  if (!last || !pool) return nextSubnet(pools, prefix, taken);
  const passed: Cidr = { ...pool, last: last.last };
  return nextSubnet(pools.slice(at), prefix, [...taken, passed]) ?? nextSubnet(pools, prefix, taken);
}
