import type { NamespaceBlueprint, VxlanBlueprint } from '../blueprint/model.js';
import type { ActualNamespace } from './actual.js';
import type { Operation, RemoteEntries } from './operation.js';

/** Neighbours and forwarding entries of remote endpoints. */
export function planRemotes(
  wanted: NamespaceBlueprint,
  actual: ActualNamespace,
  made: ReadonlySet<string>,
): Operation[] {
  return wanted.vxlans.flatMap((vxlan) => planTunnel(vxlan, wanted.name, actual, made));
}

function planTunnel(
  vxlan: VxlanBlueprint,
  namespace: string,
  actual: ActualNamespace,
  made: ReadonlySet<string>,
): Operation[] {
  const { subject } = vxlan;
  const index = made.has(vxlan.name) ? undefined : actual.links.find(({ name }) => name === vxlan.name)?.index;
  const neighbours = new Map<string, string>();
  const forwards = new Map<string, string>();
  const ports = new Set<string>();
  if (index !== undefined) {
    for (const { index: at, address, mac, permanent } of actual.neighbours)
      if (at === index && permanent) neighbours.set(address, mac);
    for (const entry of actual.fdb) {
      if (entry.index !== index) continue;
      if (entry.vtep !== undefined) forwards.set(entry.mac, entry.vtep);
      // What a bridge knows by itself is permanent (its ports' own) or learned; a VLAN's entry is a copy.
      else if (entry.master !== undefined && entry.static && entry.vlan === undefined) ports.add(entry.mac);
    }
    // A port that leaves its bridge takes the bridge's entries along.
    if (actual.links.find((link) => link.index === index)?.master === undefined) ports.clear();
  }

  const missing: RemoteEntries[] = [];
  const seen = new Set<string>();
  for (const { address, mac, vtep } of vxlan.remotes) {
    // An endpoint with addresses of both families has one MAC, and so one way for frames to go.
    const first = !seen.has(mac);
    seen.add(mac);
    const entries: RemoteEntries = {
      ...(neighbours.get(address) === mac ? {} : { neighbour: { address, mac } }),
      ...(first && forwards.get(mac) !== vtep ? { forward: { mac, vtep } } : {}),
      ...(first && vxlan.bridge !== undefined && !ports.has(mac) ? { port: { mac } } : {}),
    };
    if (entries.neighbour || entries.forward || entries.port) missing.push(entries);
    neighbours.delete(address);
    forwards.delete(mac);
    ports.delete(mac);
  }
  const stale: RemoteEntries[] = [
    ...[...neighbours].map(([address, mac]) => ({ neighbour: { address, mac } })),
    ...[...forwards].map(([mac, vtep]) => ({ forward: { mac, vtep } })),
    ...[...ports].map((mac) => ({ port: { mac } })),
  ];
  const base = { subject, namespace, vxlan: vxlan.name };
  return [
    ...(stale.length > 0 ? [{ ...base, kind: 'remove-remotes', remotes: stale } as const] : []),
    ...(missing.length > 0 ? [{ ...base, kind: 'add-remotes', remotes: missing } as const] : []),
  ];
}
