import { NetNamespace } from '../kernel/namespace.js';
import { Nftables, NftablesError } from '../kernel/nftables.js';

/**
 * Whether this kernel has nftables' netdev egress hook (Linux 5.16): tried out in a namespace of its own.
 * @throws KernelError when not even a namespace can be made
 */
export function hasNetdevEgress(): boolean {
  const namespace = NetNamespace.createUnnamed();
  const nft = new Nftables(namespace);
  try {
    nft.run('add table netdev probe\nadd chain netdev probe c { type filter hook egress device "lo" priority 0; }');
    return true;
  } catch (error) {
    if (error instanceof NftablesError) return false;
    throw error;
  } finally {
    nft.close();
    namespace.close();
  }
}
