import { NftablesError } from '../kernel/errors.js';
import { inThrowAwayNamespace } from '../kernel/namespace.js';
import { makeTable } from '../nft/make.js';
import { type BaseChain, priorities, type TableFamily } from '../nft/table.js';

/** Whether this kernel has nftables' netdev egress hook (Linux 5.16). @throws KernelError when no namespace can be made */
export const hasNetdevEgress = (): boolean => hasHook('netdev', { hook: 'egress', device: 'lo' });

/** Whether it has nftables for frames of bridges. @throws KernelError when no namespace can be made */
export const hasBridgeFilter = (): boolean => hasHook('bridge', { hook: 'prerouting' });

/** Tries a hook out in a namespace of its own. */
function hasHook(family: TableFamily, where: Pick<BaseChain, 'hook' | 'device'>): boolean {
  const base: BaseChain = { type: 'filter', priority: priorities.filter, policy: 'accept', ...where };
  return inThrowAwayNamespace((namespace) => {
    try {
      makeTable(namespace, { family, name: 'probe', sets: [], chains: [{ name: 'c', base, rules: [] }] });
      return true;
    } catch (error) {
      if (error instanceof NftablesError) return false;
      throw error;
    }
  });
}
