import { yieldToLoop } from '../../lib/async.js';
import type { NetNamespace } from '../kernel/namespace.js';
import { Nftables } from '../kernel/nftables.js';
import { parseRuleset, type RulesetTable } from './ruleset.js';

/** Rule sets of namespaces, read anew when their generation has moved. A trace asks for each several times. */
export class Rulesets {
  /** By the namespace's inode; the last used last. */
  readonly #known = new Map<number, { readonly generation: number; readonly tables: readonly RulesetTable[] }>();

  async of(namespace: NetNamespace): Promise<readonly RulesetTable[]> {
    const nft = new Nftables(namespace);
    try {
      const generation = nft.generation();
      const known = this.#known.get(namespace.inode);
      this.#known.delete(namespace.inode);
      const entry = known?.generation === generation ? known : { generation, tables: await read(nft) };
      this.#known.set(namespace.inode, entry);
      for (const inode of this.#known.keys()) if (this.#known.size > KEPT) this.#known.delete(inode);
      return entry.tables;
    } finally {
      nft.close();
    }
  }
}

const KEPT = 8;

/** Not those of family netdev and arp: they are of no matter for what is routed or bridged. */
async function read(nft: Nftables): Promise<RulesetTable[]> {
  const tables = nft.listTables().filter(({ family }) => family !== 'netdev' && family !== 'arp');
  const entries: unknown[] = [];
  for (const { family, name } of tables) {
    entries.push(...(nft.list(family, name) ?? []));
    await yieldToLoop();
  }
  return parseRuleset(entries);
}
