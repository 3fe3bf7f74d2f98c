/**
 * In the node's namespace: VXLAN packets with a VNI of ours are taken from the swarm's nodes alone, which the
 * forwarding entries name. VXLAN of others on the same port is not ours to judge.
 */
import { type Chain, type NftSet, priorities } from '../nft/table.js';
import type { Overlay, Underlay } from '../state.js';
import { isPort, isVni } from './check.js';
import { vtepsOf } from './endpoints.js';

/** What takes VXLAN packets, and from whom. */
export interface Tunnel {
  readonly vni: number;
  readonly port: number;
  /** IPv4 addresses. */
  readonly vteps: readonly string[];
}

/**
 * Of all that are asked for: one that cannot be made, or not now, may be there from before, and takes packets. What is
 * not well-formed is a problem of its overlay, and no word of nft's.
 */
export const overlayTunnels = (overlays: readonly Overlay[], { vxlanPort: port }: Underlay): Tunnel[] =>
  isPort(port)
    ? overlays.filter(({ vni }) => isVni(vni)).map((overlay) => ({ vni: overlay.vni, port, vteps: vtepsOf(overlay) }))
    : [];

/**
 * Nor are VXLAN packets of ours tracked, where nobody's rules ask for it: each stream in a tunnel would be two connections
 * of the node's, one for each way, and a flood of SYNs to tasks elsewhere one of its table's entries each.
 * @param vxlans all tunnels of the node's; nothing without any
 * @param tracked whether connection tracking sees their packets
 */
export function vtepGuard(
  vxlans: readonly Tunnel[],
  tracked: boolean,
): { readonly sets: NftSet[]; readonly chains: Chain[] } {
  if (vxlans.length === 0) return { sets: [], chains: [] };
  const vteps = new Set(vxlans.flatMap(({ vteps: some }) => some));
  const ports = [...new Set(vxlans.map(({ port }) => port))].sort((a, b) => a - b);
  const vnis = (port: number) =>
    [...new Set(vxlans.filter((vxlan) => vxlan.port === port).map(({ vni }) => vni))].sort((a, b) => a - b).join(', ');
  // The VNI: three bytes after UDP's eight and VXLAN's flags.
  const ours = (port: number) => `@th,96,24 { ${vnis(port)} }`;
  const untracked = tracked ? [] : ports.map((port) => `udp dport ${port} ${ours(port)} notrack`);
  return {
    sets: [{ name: 'vteps', key: 'ipv4_addr', keep: 'exact', elements: [...vteps].sort() }],
    chains: [
      {
        name: 'vtep_guard',
        // Before connections are tracked: a forged packet shall leave nothing behind.
        base: { type: 'filter', hook: 'prerouting', priority: priorities.raw, policy: 'accept' },
        rules: [...ports.map((port) => `udp dport ${port} ip saddr != @vteps ${ours(port)} drop`), ...untracked],
      },
      ...(tracked
        ? []
        : [
            {
              name: 'vtep_output',
              base: { type: 'filter', hook: 'output', priority: priorities.raw, policy: 'accept' },
              rules: untracked,
            } as const,
          ]),
    ],
  };
}
