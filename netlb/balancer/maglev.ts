import { createHash } from 'node:crypto';
import type { Backend } from '../state.js';

/** A prime: a backend's share is right to one in as many, and a rule has as many elements. */
export const MAGLEV_SIZE = 251;

const hash = (text: string): number => createHash('sha256').update(text).digest().readUInt32BE();

/**
 * Maglev's table (Eisenbud et al., NSDI 2016): for each hash value the backend that has it. The backends take places in
 * turn, each in an order of its own, a heavier one more of them; when one comes or goes few other places change hands.
 * Depends on addresses and weights alone, so that all nodes have the same.
 */
export function maglev(backends: readonly Backend[]): string[] {
  const active = backends
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0))
    .map(({ address, weight }) => ({
      address,
      weight,
      next: hash(`offset ${address}`) % MAGLEV_SIZE,
      skip: (hash(`skip ${address}`) % (MAGLEV_SIZE - 1)) + 1,
      credit: 0,
    }));
  const heaviest = Math.max(...active.map(({ weight }) => weight));
  const table: string[] = [];
  for (let filled = 0; active.length > 0; ) {
    for (const backend of active) {
      backend.credit += backend.weight;
      if (backend.credit < heaviest) continue;
      backend.credit -= heaviest;
      while (table[backend.next] !== undefined) backend.next = (backend.next + backend.skip) % MAGLEV_SIZE;
      table[backend.next] = backend.address;
      if (++filled === MAGLEV_SIZE) return table;
    }
  }
  return table;
}
