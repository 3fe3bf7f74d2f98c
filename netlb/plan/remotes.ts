import type { NamespaceBlueprint, VxlanBlueprint } from '../blueprint/model.js';
import type { ActualNamespace } from './actual.js';
import type { Operation, RemoteEntries } from './operation.js';
import { type ActualTunnel, NO_ENTRIES } from './tunnels.js';

/** Neighbours and forwarding entries of remote endpoints. */
export function planRemotes(
  wanted: NamespaceBlueprint,
  actual: ActualNamespace,
  made: ReadonlySet<string>,
): Operation[] {
  return wanted.vxlans.flatMap((vxlan) => {
    const { subject, name } = vxlan;
    const base = { subject, namespace: wanted.name, vxlan: name };
    const now = made.has(name) ? NO_ENTRIES : tunnelOf(name, actual);
    const { missing, stale } = difference(vxlan, now);
    return [
      ...(stale.length > 0 ? [{ ...base, kind: 'remove-remotes', remotes: stale } as const] : []),
      ...(missing.length > 0 ? [{ ...base, kind: 'add-remotes', remotes: missing } as const] : []),
    ];
  });
}

function tunnelOf(name: string, { links, tunnels }: ActualNamespace): ActualTunnel {
  const link = links.find((candidate) => candidate.name === name);
  const tunnel = (link && tunnels.get(link.index)) ?? NO_ENTRIES;
  // A port that leaves its bridge takes the bridge's entries along.
  return link?.master === undefined ? { ...tunnel, ports: NO_ENTRIES.ports } : tunnel;
}

/** Most of the time nothing differs: then it is a look-up for each entry, and little is made. */
function difference(
  { remotes, bridge }: VxlanBlueprint,
  { neighbours, forwards, ports }: ActualTunnel,
): { readonly missing: RemoteEntries[]; readonly stale: RemoteEntries[] } {
  const missing: RemoteEntries[] = [];
  const macs = new Set<string>();
  let found = 0;
  for (const { address, mac, vtep } of remotes) {
    // An endpoint with addresses of both families has one MAC, and so one way for frames to go.
    const first = !macs.has(mac);
    if (first) macs.add(mac);
    const known = neighbours.get(address);
    if (known !== undefined) found++;
    const leads = !first || forwards.get(mac) === vtep;
    const bridged = !first || bridge === undefined || ports.has(mac);
    if (known === mac && leads && bridged) continue;
    missing.push({
      ...(known === mac ? {} : { neighbour: { address, mac } }),
      ...(leads ? {} : { forward: { mac, vtep } }),
      ...(bridged ? {} : { port: { mac } }),
    });
  }
  const wanted = new Set(found === neighbours.size ? [] : remotes.map(({ address }) => address));
  const staleNeighbours = found === neighbours.size ? [] : [...neighbours].filter(([address]) => !wanted.has(address));
  const stale: RemoteEntries[] = [
    ...staleNeighbours.map(([address, mac]) => ({ neighbour: { address, mac } })),
    ...others(forwards.keys(), macs).map((mac) => ({ forward: { mac, vtep: forwards.get(mac) ?? '' } })),
    ...others(ports, macs).map((mac) => ({ port: { mac } })),
  ];
  return { missing, stale };
}

function others(all: Iterable<string>, macs: ReadonlySet<string>): string[] {
  const list: string[] = [];
  for (const mac of all) if (!macs.has(mac)) list.push(mac);
  return list;
}
