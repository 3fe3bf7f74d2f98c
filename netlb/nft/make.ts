import type { NetNamespace } from '../kernel/namespace.js';
import { Nftables } from '../kernel/nftables.js';
import { diffTable } from './diff.js';
import type { Table } from './table.js';

/** Makes a table in a namespace that has none of its name. @throws NftablesError */
export function makeTable(namespace: NetNamespace, table: Table): void {
  const nft = new Nftables(namespace);
  try {
    for (const commands of diffTable(table, undefined)) nft.run(commands.join('\n'));
  } finally {
    nft.close();
  }
}
