import { execFile } from 'node:child_process';
import { yieldToLoop } from '../../lib/async.js';
import { errnoOf, failedPrecondition } from '../../lib/errors.js';
import { NLM_F_DUMP } from '../kernel/messages.js';
import type { NetNamespace } from '../kernel/namespace.js';
import { NETLINK_NETFILTER, NetlinkSocket } from '../kernel/netlink.js';
import { NFNL_SUBSYS_NFTABLES, nfRequest } from '../kernel/nfnetlink.js';
import { Nftables, type NftTable } from '../kernel/nftables.js';
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
      const entry = known?.generation === generation ? known : { generation, tables: await read(namespace, nft) };
      this.#known.set(namespace.inode, entry);
      for (const inode of this.#known.keys()) if (this.#known.size > KEPT) this.#known.delete(inode);
      return entry.tables;
    } finally {
      nft.close();
    }
  }
}

const KEPT = 8;
/** libnftables takes about 0.2 ms for each, and must not be called from two threads: more are left to a process. */
const RULES_READ_HERE = 100;
const NFT_MSG_GETRULE = 7;
const MAX_OUTPUT = 256 << 20;

/** Not those of family netdev and arp: they are of no matter for what is routed or bridged. */
async function read(namespace: NetNamespace, nft: Nftables): Promise<RulesetTable[]> {
  const tables = nft.listTables().filter(({ family }) => family !== 'netdev' && family !== 'arp');
  const isLong = countRules(namespace) > RULES_READ_HERE;
  const entries: unknown[] = [];
  for (const table of tables) {
    entries.push(...(isLong ? await listByProcess(namespace, table) : (nft.list(table.family, table.name) ?? [])));
    await yieldToLoop();
  }
  return parseRuleset(entries);
}

function countRules(namespace: NetNamespace): number {
  const socket = new NetlinkSocket({ namespace, protocol: NETLINK_NETFILTER });
  try {
    return socket.dump(nfRequest(NFNL_SUBSYS_NFTABLES, NFT_MSG_GETRULE, NLM_F_DUMP, 0), 'count rules').length;
  } finally {
    socket.close();
  }
}

/** @throws FAILED_PRECONDITION without the program nft */
function listByProcess(namespace: NetNamespace, { family, name }: NftTable): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, output: string, words: string) => {
      if (error)
        reject(errnoOf(error) === 'ENOENT' ? missingProgram() : new Error(`nft: ${words.trim() || error.message}`));
      else resolve((JSON.parse(output) as { readonly nftables: unknown[] }).nftables);
    };
    // A child stays where it was started.
    namespace.run(() => void execFile('nft', ['-j', 'list', 'table', family, name], { maxBuffer: MAX_OUTPUT }, done));
  });
}

const missingProgram = () =>
  failedPrecondition(`more than ${RULES_READ_HERE} rules are read by the program nft, which is not there`, {
    value: 'nft',
    hint: 'Install the package nftables.',
  });
