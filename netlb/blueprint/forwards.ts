/** Published ports that lead straight to one sandbox of this node. */
import { canonicalAddress, familyOf } from '../../lib/ip.js';
import type { HostPort, Sandbox } from '../state.js';
import { type Layout, wayOut } from './layout.js';
import { hostAddressOver } from './ports.js';

/** A host port over one family, with the address of the sandbox that it leads to. */
export interface HostForward extends HostPort {
  readonly family: 4 | 6;
  readonly sandbox: string;
  readonly address: string;
}

/** @param tell what of it cannot be: the rest is made */
export function hostForwards(sandbox: Sandbox, layout: Layout, tell: (message: string) => void): HostForward[] {
  const ways = ([4, 6] as const).flatMap((family) => {
    const way = wayOut(layout, family);
    return way ? [{ family, address: way.address }] : [];
  });
  // A sandbox on internal networks alone publishes nothing, as in Docker.
  if (ways.length === 0) return [];
  return sandbox.hostPorts.flatMap((port) => {
    const forwards = ways.flatMap(({ family, address }): HostForward[] => {
      const hostAddress = hostAddressOver(port.hostAddress, family);
      return hostAddress === undefined ? [] : [{ ...port, hostAddress, family, sandbox: sandbox.id, address }];
    });
    if (forwards.length === 0) {
      const at = canonicalAddress(port.hostAddress);
      tell(
        `port ${port.published}/${port.protocol} of ${at}: the sandbox has no IPv${familyOf(at)} address to lead to`,
      );
    }
    return forwards;
  });
}
