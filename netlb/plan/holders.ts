/** How many of a list of remote endpoints have an address, or a MAC: told from those of the list before. */
import type { ListDifference } from '../../lib/kept-list.js';
import type { Remote } from '../blueprint/model.js';

interface Holders {
  readonly addresses: Map<string, number>;
  readonly macs: Map<string, number>;
}

const known = new WeakMap<readonly Remote[], Holders>();

/**
 * Whether one that neither comes nor goes has an address or a MAC of one that does. To count all takes long, so the
 * counts are handed on from list to list; for a list whose counts were handed on they are made anew.
 */
export function concernsOthers(
  before: readonly Remote[],
  now: readonly Remote[],
  { added, removed }: ListDifference<Remote>,
): boolean {
  const counts = known.get(before) ?? counted(before);
  known.delete(before);
  for (const remote of removed) count(counts, remote, -1);
  const isShared = [...added, ...removed].some(
    ({ address, mac }) => counts.addresses.has(address) || counts.macs.has(mac),
  );
  for (const remote of added) count(counts, remote, 1);
  known.set(now, counts);
  return isShared;
}

function counted(remotes: readonly Remote[]): Holders {
  const counts: Holders = { addresses: new Map(), macs: new Map() };
  for (const remote of remotes) count(counts, remote, 1);
  return counts;
}

function count({ addresses, macs }: Holders, { address, mac }: Remote, by: 1 | -1): void {
  add(addresses, address, by);
  add(macs, mac, by);
}

function add(counts: Map<string, number>, key: string, by: 1 | -1): void {
  const sum = (counts.get(key) ?? 0) + by;
  if (sum === 0) counts.delete(key);
  else counts.set(key, sum);
}
