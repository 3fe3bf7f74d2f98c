/** Layer 2: from a link to the interface that takes the frame, over veth pairs and bridges. */

import { inside } from './neighbour.js';
import type { HookPacket } from './packet.js';
import type { FdbFact } from './vxlan.js';
import { overVxlan } from './vxlan.js';
import type { Frame, LinkFact, Place, Walk } from './walk.js';

/** A frame that has come to an interface. */
export interface Arrival {
  readonly place: Place;
  readonly link: LinkFact;
  readonly frame: Frame;
  readonly packet: HookPacket;
}

const named = ({ name, index }: { readonly name: string; readonly index: number }): string => `${name} (${index})`;

/** @throws Lost when it is down or too small */
export function checkLink(walk: Walk, place: Place, link: LinkFact, role: string): void {
  const details = { device: link.name, index: String(link.index), mtu: String(link.mtu) };
  if (!link.up || !link.running)
    walk.lose(place, {
      kind: 'link',
      title: `${named(link)} is ${link.up ? 'without carrier' : 'down'}`,
      details,
      reason: link.up ? `${role} ${link.name} has no carrier: its other end is down` : `${role} ${link.name} is down`,
      hint: `${inside(place)} ip link set ${link.name} up`.trim(),
    });
  if (walk.size > link.mtu)
    walk.lose(place, {
      kind: 'link',
      title: `${named(link)} takes ${link.mtu} bytes`,
      details: { ...details, size: String(walk.size) },
      reason: `the MTU of ${role} ${link.name} is ${link.mtu}, less than the ${walk.size} bytes that the sender's packets may have: larger ones are lost`,
      hint: `${inside(place)} ip link set ${link.name} mtu ${walk.size}`.trim(),
    });
}

/** The frame leaves by a veth: to the bridge that its other end is a port of, or to that end itself. */
export function crossVeth(walk: Walk, place: Place, link: LinkFact, frame: Frame, packet: HookPacket): Arrival {
  const { node } = place;
  const peer = walk.book.get(node, { kind: 'peer', namespace: place.namespace, index: link.index });
  if (!peer?.link || peer.namespace === undefined)
    walk.lose(place, {
      kind: 'link',
      title: `${named(link)} has no other end`,
      details: { device: link.name, index: String(link.index) },
      reason: `the other end of ${link.name} is gone`,
    });
  const there = { node, namespace: peer.namespace };
  walk.add(place, {
    kind: 'link',
    title: `${named(link)} → ${named(peer.link)}`,
    details: {
      device: link.name,
      index: String(link.index),
      mac: link.mac,
      mtu: String(link.mtu),
      peer: peer.link.name,
      peerIndex: String(peer.link.index),
      peerNamespace: peer.namespace,
      peerOwner: walk.owner(there),
    },
    tap: link.name,
  });
  checkLink(walk, there, peer.link, 'interface');
  if (peer.link.master === undefined) return { place: there, link: peer.link, frame, packet };
  const bridge = walk.link(there, peer.link.master);
  if (!bridge)
    walk.lose(there, {
      kind: 'bridge',
      title: `${named(peer.link)} has lost its bridge`,
      reason: `the bridge with index ${peer.link.master} is not there`,
    });
  return overBridge(walk, { place: there, bridge, port: peer.link }, frame, packet);
}

export interface BridgeEntry {
  readonly place: Place;
  readonly bridge: LinkFact;
  /** That the frame came in by; undefined: from the bridge's own interface. */
  readonly port: LinkFact | undefined;
}

export function overBridge(walk: Walk, entry: BridgeEntry, frame: Frame, packet: HookPacket): Arrival {
  const { place, bridge, port } = entry;
  if (!bridge.up)
    walk.lose(place, {
      kind: 'bridge',
      title: `${named(bridge)} is down`,
      details: { device: bridge.name },
      reason: `the bridge ${bridge.name} is down`,
      hint: `${inside(place)} ip link set ${bridge.name} up`.trim(),
    });
  if (frame.destination === bridge.mac) {
    walk.add(place, {
      kind: 'bridge',
      title: `${bridge.name}: the frame is for the bridge itself`,
      details: { bridge: bridge.name, mac: bridge.mac },
      ...(port ? { tap: port.name } : {}),
    });
    return { place, link: bridge, frame, packet };
  }
  const output = outputPort(walk, entry, frame);
  if (port && output.index === port.index && !port.bridgePort?.hairpin)
    walk.lose(place, {
      kind: 'bridge',
      title: `${bridge.name}: ${named(port)} → itself`,
      reason: `the frame would leave ${bridge.name} by the port that it came in by (${port.name}), which is not in hairpin mode`,
    });
  if (port?.bridgePort?.isolated && output.bridgePort?.isolated)
    walk.lose(place, {
      kind: 'bridge',
      title: `${bridge.name}: ${named(port)} and ${named(output)} are isolated`,
      reason: `the ports ${port.name} and ${output.name} of ${bridge.name} are isolated from each other`,
      hint: 'Sandboxes reach each other over the gateway bridge only through published ports.',
    });
  filterBridged(walk, entry, output, packet);
  checkLink(walk, place, output, 'port');
  if (output.vxlan) {
    const next = overVxlan(walk, { place, device: output, vxlan: output.vxlan }, frame, packet);
    return overBridge(walk, next, frame, packet);
  }
  return crossVeth(walk, place, output, frame, packet);
}

/** The port that the bridge's forwarding database names, or that a flooded frame is taken by. */
function outputPort(walk: Walk, at: BridgeEntry, frame: Frame): LinkFact {
  const { place, bridge, port } = at;
  const mac = frame.destination;
  const { node, namespace } = place;
  const entries = walk.book.get(node, { kind: 'fdb', namespace, mac }).filter((entry) => entry.mac === mac);
  const entry = entries.find(({ master, permanent }) => master === bridge.index && !permanent);
  const title = (output: LinkFact) => `${bridge.name}: ${port ? `${named(port)} → ` : '→ '}${named(output)}`;
  const details = { bridge: bridge.name, mac };
  const tap = port ? { tap: port.name } : {};
  if (entry) {
    const output = walk.link(place, entry.index);
    if (!output)
      walk.lose(place, {
        kind: 'fdb',
        title: `${bridge.name}: ${mac} → link ${entry.index}`,
        reason: 'that link is gone',
      });
    walk.add(place, {
      kind: 'bridge',
      title: title(output),
      details: { ...details, port: output.name, entry: entry.static ? 'static' : 'learned' },
      ...tap,
    });
    return output;
  }
  const output = floodedTo(walk, at, mac, entries);
  if (!output)
    walk.lose(place, {
      kind: 'fdb',
      title: `${bridge.name}: nobody has ${mac}`,
      details,
      reason: `no port of ${bridge.name} leads to ${mac}: the frame is flooded and nobody takes it`,
      hint: `Look: ${inside(place)} bridge fdb show br ${bridge.name}`,
      ...tap,
    });
  const isOverlay = output.vxlan !== undefined;
  walk.add(place, {
    kind: 'bridge',
    title: title(output),
    details: { ...details, port: output.name, entry: 'none: flooded' },
    // Local endpoints are learned as they speak; of remote ones there is to be an entry.
    ...(isOverlay
      ? {
          status: 'doubtful' as const,
          reason: `${bridge.name} has no forwarding entry for ${mac}: the frame is flooded to all ports`,
        }
      : {}),
    ...tap,
  });
  return output;
}

function floodedTo(
  walk: Walk,
  { place, bridge, port: from }: BridgeEntry,
  mac: string,
  entries: readonly FdbFact[],
): LinkFact | undefined {
  const ports = walk
    .links(place)
    .filter((link) => link.master === bridge.index && link.index !== from?.index && link.bridgePort?.unicastFlood);
  const remote = ports.find((link) => entries.some(({ index, vtep }) => index === link.index && vtep !== undefined));
  if (remote) return remote;
  const veths = ports.filter(({ kind }) => kind === 'veth');
  walk.book.need(
    place.node,
    ...veths.map(({ index }) => ({ kind: 'peer' as const, namespace: place.namespace, index })),
  );
  return veths.find(({ index }) => {
    const peer = walk.book.get(place.node, { kind: 'peer', namespace: place.namespace, index });
    return peer?.link?.mac === mac;
  });
}

/** Rules of the bridge family, and those of routed packets where br_netfilter shows them bridged ones too. */
function filterBridged(walk: Walk, { place, bridge, port }: BridgeEntry, output: LinkFact, packet: HookPacket): void {
  const { node, namespace } = place;
  const key = 'net/bridge/bridge-nf-call-iptables';
  if (!port) return;
  walk.hook(place, 'forward', { ...packet, input: port.name, output: output.name }, 'bridge');
  if (walk.book.get(node, { kind: 'sysctls', namespace, keys: [key] })[key] === '1')
    walk.hook(place, 'forward', { ...packet, input: bridge.name, output: bridge.name });
}
