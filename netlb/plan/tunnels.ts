/** What tunnels (VXLAN devices) know of remote endpoints, found by address: there may be tens of thousands. Pure. */
import type { Remote } from '../blueprint/model.js';
import type { FdbEntry, Link, Neighbour } from '../kernel/rtnetlink.js';
import type { RemotesOperation } from './operation.js';

/** Entries of one device that somebody has set: not those that were learned. */
export interface ActualTunnel {
  /** MACs by address. */
  readonly neighbours: ReadonlyMap<string, string>;
  /** Tunnel endpoints by MAC. */
  readonly forwards: ReadonlyMap<string, string>;
  /** MACs that the device's bridge, if it has one, knows behind it. */
  readonly ports: ReadonlySet<string>;
}

export const NO_ENTRIES: ActualTunnel = { neighbours: new Map(), forwards: new Map(), ports: new Set() };

/** Of all VXLAN devices, by index. */
export function tunnelsOf(
  links: readonly Link[],
  neighbours: readonly Neighbour[],
  fdb: readonly FdbEntry[],
): ReadonlyMap<number, ActualTunnel> {
  const tunnels = new Map(
    links
      .filter(({ vxlan }) => vxlan !== undefined)
      .map(({ index }) => [
        index,
        { neighbours: new Map<string, string>(), forwards: new Map<string, string>(), ports: new Set<string>() },
      ]),
  );
  for (const { index, address, mac, permanent } of neighbours)
    if (permanent) tunnels.get(index)?.neighbours.set(address, mac);
  for (const entry of fdb) {
    if (entry.vtep !== undefined) tunnels.get(entry.index)?.forwards.set(entry.mac, entry.vtep);
    // What a bridge knows by itself is permanent (its ports' own) or learned; a VLAN's entry is a copy.
    else if (entry.master !== undefined && entry.static && entry.vlan === undefined)
      tunnels.get(entry.index)?.ports.add(entry.mac);
  }
  return tunnels;
}

/** Remote endpoints whose entries these are, all of them and no others, where that is known. */
const shown = new WeakMap<ActualTunnel, readonly Remote[]>();

export const shownBy = (tunnel: ActualTunnel): readonly Remote[] | undefined => shown.get(tunnel);

/** To be told when a tunnel was compared with them, and nothing differed. */
export function showsAll(tunnel: ActualTunnel, remotes: readonly Remote[]): void {
  shown.set(tunnel, remotes);
}

/**
 * What a device has that was given these remote endpoints.
 * @param bridged whether it is a bridge's port: the bridge has entries of them, too
 */
export function showing(remotes: readonly Remote[], bridged: boolean): ActualTunnel {
  const tunnel = whenLookedAt(() => {
    const [neighbours, forwards] = [new Map<string, string>(), new Map<string, string>()];
    for (const { address, mac, vtep } of remotes) {
      neighbours.set(address, mac);
      // Of endpoints with one MAC, the first says where its frames go.
      if (!forwards.has(mac)) forwards.set(mac, vtep);
    }
    return { neighbours, forwards, ports: bridged ? new Set(forwards.keys()) : NO_ENTRIES.ports };
  });
  shown.set(tunnel, remotes);
  return tunnel;
}

/** What the device has when the operation was done. */
export function withRemotes(
  before: ActualTunnel,
  { kind, remotes }: Pick<RemotesOperation, 'kind' | 'remotes'>,
): ActualTunnel {
  return whenLookedAt(() => {
    const { neighbours, forwards, ports } = before;
    const now = { neighbours: new Map(neighbours), forwards: new Map(forwards), ports: new Set(ports) };
    for (const { neighbour, forward, port } of remotes) {
      if (kind === 'add-remotes') {
        if (neighbour) now.neighbours.set(neighbour.address, neighbour.mac);
        if (forward) now.forwards.set(forward.mac, forward.vtep);
        if (port) now.ports.add(port.mac);
      } else {
        if (neighbour) now.neighbours.delete(neighbour.address);
        if (forward) now.forwards.delete(forward.mac);
        if (port) now.ports.delete(port.mac);
      }
    }
    return now;
  });
}

/** Ten thousand entries take long to be listed, and most often nobody looks at them before the next change. */
function whenLookedAt(make: () => ActualTunnel): ActualTunnel {
  let made: ActualTunnel | undefined;
  const all = (): ActualTunnel => {
    made ??= make();
    return made;
  };
  return {
    get neighbours() {
      return all().neighbours;
    },
    get forwards() {
      return all().forwards;
    },
    get ports() {
      return all().ports;
    },
  };
}
