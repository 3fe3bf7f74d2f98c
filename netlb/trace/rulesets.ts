import { execFile } from 'node:child_process';
import { errnoOf, failedPrecondition, messageOf } from '../../lib/errors.js';
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
      const entry = known?.generation === generation ? known : { generation, tables: await read(namespace) };
      this.#known.set(namespace.inode, entry);
      for (const inode of this.#known.keys()) if (this.#known.size > KEPT) this.#known.delete(inode);
      return entry.tables;
    } finally {
      nft.close();
    }
  }
}

const KEPT = 8;
const MAX_OUTPUT = 256 << 20;

/** Not those of family netdev and arp: they are of no matter for what is routed or bridged. */
async function read(namespace: NetNamespace): Promise<RulesetTable[]> {
  const tables = parseRuleset(await list(namespace));
  return tables.filter(({ family }) => family !== 'netdev' && family !== 'arp');
}

/**
 * By a process of its own: to turn rules back into words takes long, and libnftables waits by select(2), which a process
 * with more than 1,023 descriptors may not use.
 * @throws FAILED_PRECONDITION without the program nft
 */
async function list(namespace: NetNamespace): Promise<unknown[]> {
  const output = await new Promise<string>((resolve, reject) => {
    const done = (error: Error | null, output: string, words: string) => {
      if (error)
        reject(errnoOf(error) === 'ENOENT' ? missingProgram() : new Error(`nft: ${words.trim() || error.message}`));
      else resolve(output);
    };
    // A child stays where it was started.
    namespace.run(() => void execFile('nft', ['-j', 'list', 'ruleset'], { maxBuffer: MAX_OUTPUT }, done));
  });
  return listOf(output);
}

/** Who has rules in a container may have words in them that nft cannot put into JSON. */
function listOf(output: string): unknown[] {
  try {
    const { nftables } = JSON.parse(output) as { readonly nftables?: unknown };
    if (Array.isArray(nftables)) return nftables;
  } catch (error) {
    throw new Error(`nft: the rules that it lists cannot be read: ${messageOf(error)}`, { cause: error });
  }
  throw new Error('nft: it lists no rules');
}

const missingProgram = () =>
  failedPrecondition('rules are read by the program nft, which is not there', {
    value: 'nft',
    hint: 'Install the package nftables.',
  });
