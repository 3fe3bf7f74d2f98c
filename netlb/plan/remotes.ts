import { listDifference } from '../../lib/kept-list.js';
import type { NamespaceBlueprint, Remote, VxlanBlueprint } from '../blueprint/model.js';
import type { ActualNamespace } from './actual.js';
import { concernsOthers } from './holders.js';
import type { Operation, RemoteEntries } from './operation.js';
import { type ActualTunnel, NO_ENTRIES, showing, shownBy, showsAll, withRemotes } from './tunnels.js';

/** Neighbours and forwarding entries of remote endpoints. */
export function planRemotes(
  wanted: NamespaceBlueprint,
  actual: ActualNamespace,
  made: ReadonlySet<string>,
): Operation[] {
  return wanted.vxlans.flatMap((vxlan): Operation[] => {
    const { subject, name, remotes, bridge } = vxlan;
    const now = made.has(name) ? NO_ENTRIES : tunnelOf(name, actual);
    const { missing, stale } = differenceFrom(now, vxlan);
    const base = { subject, namespace: wanted.name, vxlan: name };
    const removal = { kind: 'remove-remotes', remotes: stale } as const;
    const all = showing(remotes, bridge !== undefined);
    return [
      ...(stale.length > 0
        ? [{ ...base, ...removal, leaves: missing.length > 0 ? withRemotes(now, removal) : all }]
        : []),
      ...(missing.length > 0 ? [{ ...base, kind: 'add-remotes', remotes: missing, leaves: all } as const] : []),
    ];
  });
}

function tunnelOf(name: string, { links, tunnels }: ActualNamespace): ActualTunnel {
  const link = links.find((candidate) => candidate.name === name);
  const tunnel = (link && tunnels.get(link.index)) ?? NO_ENTRIES;
  // A port that leaves its bridge takes the bridge's entries along.
  return link?.master === undefined ? { ...tunnel, ports: NO_ENTRIES.ports } : tunnel;
}

interface Difference {
  readonly missing: readonly RemoteEntries[];
  readonly stale: readonly RemoteEntries[];
}

const NOTHING: Difference = { missing: [], stale: [] };

/**
 * Where it is known which endpoints the entries are of, those alone are compared that share an address or a MAC with
 * one that has come or gone: of all others both say the same.
 */
function differenceFrom(now: ActualTunnel, vxlan: VxlanBlueprint): Difference {
  const { remotes, bridge } = vxlan;
  const before = shownBy(now);
  if (before === remotes) return NOTHING;
  if (before) {
    const concerned = concernedOf(before, remotes);
    return difference({ remotes: concerned.now, bridge }, showing(concerned.before, bridge !== undefined));
  }
  const all = difference(vxlan, now);
  if (now !== NO_ENTRIES && all.missing.length === 0 && all.stale.length === 0) showsAll(now, remotes);
  return all;
}

/** Of both lists those that come or go, and those that have an address or a MAC of such; in their order. */
function concernedOf(before: readonly Remote[], now: readonly Remote[]) {
  const difference = listDifference(before, now);
  const { added, removed } = difference;
  if (!concernsOthers(before, now, difference)) return { before: removed, now: added };
  const [addresses, macs] = [new Set<string>(), new Set<string>()];
  for (const { address, mac } of [...added, ...removed]) {
    addresses.add(address);
    macs.add(mac);
  }
  const isConcerned = ({ address, mac }: Remote) => addresses.has(address) || macs.has(mac);
  return { before: before.filter(isConcerned), now: now.filter(isConcerned) };
}

/** Most of the time nothing differs: then it is a look-up for each entry, and little is made. */
function difference(
  { remotes, bridge }: Pick<VxlanBlueprint, 'remotes' | 'bridge'>,
  { neighbours, forwards, ports }: ActualTunnel,
): Difference {
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
