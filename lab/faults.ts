import { readFileSync } from 'node:fs';
import { labMounts } from './inventory.js';
import { type LabLayout, type NodeLayout, namespaceFile, SWITCH } from './layout.js';
import { runIn } from './underlay.js';

/** Faults of the underlay: packets of a node are dropped in the switch, as by a pulled cable. */
const TABLE = 'bridge tsswarm_lab';

export type Partition =
  /** Neither sends nor receives. */
  | 'both'
  /** What it sends is lost; it still receives. */
  | 'outgoing';

/** Cuts a node off, in place of what cut it off before. */
export async function partition(node: NodeLayout, kind: Partition): Promise<void> {
  const drops = [`iifname "${node.name}" drop`, ...(kind === 'both' ? [`oifname "${node.name}" drop`] : [])];
  const chain = `${TABLE} ${node.name}`;
  await nft(node.lab, [
    `add table ${TABLE}`,
    `add chain ${chain} { type filter hook forward priority 0; policy accept; }`,
    `flush chain ${chain}`,
    ...drops.map((drop) => `add rule ${chain} ${drop}`),
  ]);
}

/** Ends a node's partition; one that is not partitioned stays as it is. */
export async function heal(node: NodeLayout): Promise<void> {
  const chain = `${TABLE} ${node.name}`;
  // Adding what may be there makes deleting it succeed always.
  await nft(node.lab, [
    `add table ${TABLE}`,
    `add chain ${chain} { type filter hook forward priority 0; policy accept; }`,
    `delete chain ${chain}`,
  ]);
}

/** Names of the lab's nodes that are cut off; none when the lab is half gone and has no switch. */
export async function partitioned(lab: LabLayout): Promise<ReadonlySet<string>> {
  if (!labMounts(readFileSync('/proc/self/mountinfo', 'utf8'), lab).includes(namespaceFile(lab, SWITCH)))
    return new Set();
  const listing = JSON.parse(await runIn(lab, SWITCH, 'nft', ['-j', 'list', 'chains', 'bridge'])) as {
    readonly nftables: readonly { readonly chain?: { readonly table: string; readonly name: string } }[];
  };
  return new Set(listing.nftables.flatMap(({ chain }) => (chain?.table === 'tsswarm_lab' ? [chain.name] : [])));
}

/** One transaction. As an argument: nft cannot reopen the socket that Node gives as standard input. */
async function nft(lab: LabLayout, commands: readonly string[]): Promise<void> {
  await runIn(lab, SWITCH, 'nft', [commands.join('; ')]);
}
