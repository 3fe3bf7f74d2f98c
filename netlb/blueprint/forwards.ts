/** Published ports that lead straight to one sandbox of this node. */
import { canonicalAddress, familyOf } from '../../lib/ip.js';
import type { HostPort, Sandbox } from '../state.js';
import { type Layout, wayOut } from './layout.js';

/** A host port over one family, with the address of the sandbox that it leads to. */
export interface HostForward extends HostPort {
  readonly family: 4 | 6;
  readonly sandbox: string;
  readonly address: string;
}

/** All local addresses of one family; an empty text is all of both. */
const ANY = { 4: '0.0.0.0', 6: '::' } as const;

/** @param tell what of it cannot be: the rest is made */
export function hostForwards(sandbox: Sandbox, layout: Layout, tell: (message: string) => void): HostForward[] {
  const ways = ([4, 6] as const).flatMap((family) => {
    const way = wayOut(layout, family);
    return way ? [{ family, address: way.address }] : [];
  });
  // A sandbox on internal networks alone publishes nothing, as in Docker.
  if (ways.length === 0) return [];
  return sandbox.hostPorts.flatMap((port) => {
    const at = port.hostAddress === '' ? '' : canonicalAddress(port.hostAddress);
    const forwards = ways
      .filter(({ family }) => at === '' || familyOf(at) === family)
      .map(({ family, address }): HostForward => {
        const hostAddress = at === ANY[family] ? '' : at;
        return { ...port, hostAddress, family, sandbox: sandbox.id, address };
      });
    if (forwards.length === 0)
      tell(
        `port ${port.published}/${port.protocol} of ${at}: the sandbox has no IPv${familyOf(at)} address to lead to`,
      );
    return forwards;
  });
}
