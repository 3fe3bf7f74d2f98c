import { inThrowAwayNamespace } from '../kernel/namespace.js';
import { Nftables, NftablesError } from '../kernel/nftables.js';
import type { TableFamily } from '../nft/table.js';

/** Whether this kernel has nftables' netdev egress hook (Linux 5.16). @throws KernelError when no namespace can be made */
export const hasNetdevEgress = (): boolean => hasHook('netdev', 'egress device "lo"');

/** Whether it has nftables for frames of bridges. @throws KernelError when no namespace can be made */
export const hasBridgeFilter = (): boolean => hasHook('bridge', 'prerouting');

/** Tries a hook out in a namespace of its own. */
function hasHook(family: TableFamily, hook: string): boolean {
  return inThrowAwayNamespace((namespace) => {
    const nft = new Nftables(namespace);
    try {
      nft.run(`add table ${family} probe\nadd chain ${family} probe c { type filter hook ${hook} priority 0; }`);
      return true;
    } catch (error) {
      if (error instanceof NftablesError) return false;
      throw error;
    } finally {
      nft.close();
    }
  });
}
