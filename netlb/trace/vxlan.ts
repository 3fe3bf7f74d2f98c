/** From a VXLAN device over the underlay to the device of the same network on another node. */

import { encryptedMtu, encryptedSize } from '../blueprint/encryption.js';
import { NO_MAC } from '../kernel/neighbours.js';
import { checkOpened, sealedWith } from './esp.js';
import { inside, stateName } from './neighbour.js';
import type { HookPacket } from './packet.js';
import type { Answers } from './queries.js';
import type { DirectoryNode } from './question.js';
import type { BridgeEntry } from './segment.js';
import { endOf, type Frame, type LinkFact, type Place, type Walk } from './walk.js';

export type FdbFact = Answers['fdb'][number];

export interface VxlanPort {
  readonly place: Place;
  readonly device: LinkFact;
  readonly vxlan: NonNullable<LinkFact['vxlan']>;
}

/** Ethernet, IPv4, UDP and VXLAN headers (RFC 7348). */
const OVERHEAD = 50;

/** Where a frame comes out of a tunnel. */
export interface TunnelEnd {
  readonly place: Place;
  readonly device: LinkFact;
}

/** @returns where the frame comes out: a port of the bridge on the other node */
export function overVxlan(walk: Walk, port: VxlanPort, frame: Frame, packet: HookPacket): BridgeEntry {
  return onBridge(walk, overTunnel(walk, port, frame, packet));
}

/** @returns the device of the network on the other node */
export function overTunnel(walk: Walk, port: VxlanPort, frame: Frame, packet: HookPacket): TunnelEnd {
  const vtep = remoteVtep(walk, port, frame, packet);
  const target = walk.nodeAt(vtep);
  if (!target)
    walk.lose(port.place, {
      kind: 'fdb',
      title: `${frame.destination} → ${vtep}`,
      details: { vtep },
      ...unknownNode(walk, vtep),
    });
  crossUnderlay(walk, port, vtep, target);
  return arrive(walk, port, target);
}

function unknownNode(walk: Walk, vtep: string): { readonly reason: string; readonly hint: string } {
  return walk.directory.whole
    ? { reason: `no node of the swarm has the address ${vtep}`, hint: '' }
    : {
        reason: `from here on it is on another node (${vtep}), at which a node that is no manager cannot look`,
        hint: 'Run this command on a manager.',
      };
}

function remoteVtep(walk: Walk, { place, device, vxlan }: VxlanPort, frame: Frame, packet: HookPacket): string {
  const { node, namespace } = place;
  const mac = frame.destination;
  const entries = walk.book
    .get(node, { kind: 'fdb', namespace, mac })
    .filter(({ index, vtep }) => index === device.index && vtep !== undefined);
  const entry =
    entries.find((candidate) => candidate.mac === mac) ?? entries.find((candidate) => candidate.mac === NO_MAC);
  const details = {
    device: device.name,
    vni: String(vxlan.vni),
    port: String(vxlan.port),
    local: vxlan.local ?? '',
    mac,
  };
  const look = `Look: ${inside(place)} bridge fdb show dev ${device.name}`;
  if (entry?.vtep === undefined)
    walk.lose(place, {
      kind: 'fdb',
      title: `${device.name} does not know ${mac}`,
      details,
      reason: `${device.name} has no forwarding entry for ${mac} (${walk.who(packet.destination)}): the frame is dropped`,
      hint: look,
      tap: device.name,
    });
  const expected = expectedVtep(walk, packet, mac);
  if (expected && expected.vtep !== entry.vtep)
    walk.lose(place, {
      kind: 'fdb',
      title: `${mac} → ${entry.vtep}`,
      details: { ...details, vtep: entry.vtep, rightVtep: expected.vtep },
      reason: `the forwarding entry is wrong: ${mac} is behind ${expected.vtep} (${expected.name}), not ${entry.vtep}`,
      hint: look,
      tap: device.name,
    });
  walk.add(place, {
    kind: 'fdb',
    title: `${device.name} (${device.index}): ${mac} → ${entry.vtep}`,
    details: { ...details, index: String(device.index), vtep: entry.vtep },
    tap: device.name,
  });
  return entry.vtep;
}

/** Where managers say that the frame's receiver is, when it is the packet's. */
function expectedVtep(walk: Walk, packet: HookPacket, mac: string): DirectoryNode | undefined {
  const endpoint = walk.directory.endpoints.find(({ address, node }) => address === packet.destination && node !== '');
  if (!endpoint) return undefined;
  const isReceivers = packet.destination
    .split('.')
    .map((byte) => Number(byte).toString(16).padStart(2, '0'))
    .join(':');
  return mac.endsWith(isReceivers) ? walk.directory.nodes.find(({ id }) => id === endpoint.node) : undefined;
}

/** The outer packet: from the node's own namespace to the other node's. */
function crossUnderlay(walk: Walk, { place, vxlan }: VxlanPort, vtep: string, target: DirectoryNode): void {
  const node = { node: place.node, namespace: '' };
  const source = vxlan.local ?? '';
  if (source !== '' && !walk.isLocal(node, source))
    walk.lose(node, {
      kind: 'underlay',
      title: `${source} is not an address of this node`,
      details: { local: source },
      reason: `the VXLAN device sends from ${source}, which no interface of the node has`,
    });
  const route = walk.book.get(place.node, {
    kind: 'route',
    namespace: '',
    destination: vtep,
    source,
    mark: 0,
    input: '',
  });
  const details = { source, destination: vtep, port: String(vxlan.port), vni: String(vxlan.vni) };
  if (!route.found)
    walk.lose(node, {
      kind: 'underlay',
      title: `no route to ${vtep}`,
      details,
      reason: `the node has no route to ${vtep}: ${route.words}`,
      hint: `Look: ip route get ${vtep}`,
    });
  const link = walk.link(node, route.index);
  const outer: HookPacket = {
    protocol: 'udp',
    source,
    destination: vtep,
    sourcePort: undefined,
    destinationPort: vxlan.port,
    mark: 0,
    connectionMark: 0,
    state: 'new',
    translated: [],
    input: '',
    output: link?.name ?? '',
    local: false,
    outputAddress: source,
    vni: vxlan.vni,
    ipsec: false,
  };
  const marked = walk.hook(node, 'output', outer);
  const spi = sealedWith(walk, node, marked);
  walk.hook(node, 'postrouting', { ...outer, mark: marked.mark, ipsec: spi !== undefined });
  const title = `${source} → ${endOf(vtep, vxlan.port)} by ${link?.name ?? `link ${route.index}`}`;
  const all = { ...details, device: link?.name ?? '', via: route.via ?? '', mtu: String(link?.mtu ?? '') };
  const size = spi === undefined ? walk.size + OVERHEAD : encryptedSize(walk.size);
  if (!link?.up || !link.running)
    walk.lose(node, { kind: 'underlay', title, details: all, reason: `${link?.name ?? 'the interface'} is down` });
  const room = Math.min(route.mtu ?? link.mtu, link.mtu);
  if (size > room)
    walk.lose(node, {
      kind: 'underlay',
      title,
      details: { ...all, size: String(size) },
      reason: `VXLAN packets of up to ${size} bytes (${walk.size} and ${size - walk.size} of headers) do not fit the MTU ${room} of ${link.name}`,
      hint: `Make the MTU of the network ${spi === undefined ? room - OVERHEAD : encryptedMtu(room)}, or that of ${link.name} ${size}.`,
      tap: link.name,
    });
  const neighbour = walk.book
    .get(place.node, { kind: 'neighbours', namespace: '', address: route.via ?? vtep })
    .find(({ index }) => index === link.index);
  const failed = neighbour !== undefined && (neighbour.state & 0x20) !== 0;
  walk.add(node, {
    kind: 'underlay',
    title,
    details: { ...all, ...(neighbour ? { neighbour: `${neighbour.mac} ${stateName(neighbour.state)}`.trim() } : {}) },
    ...(failed
      ? { status: 'doubtful' as const, reason: `${target.name} did not answer ARP for ${route.via ?? vtep} lately` }
      : {}),
    tap: link.name,
  });
  const far = { node: target.id, namespace: '' };
  const incoming = walk
    .links(far)
    .find(({ index }) => walk.addresses(far).some((a) => a.index === index && a.cidr.startsWith(`${vtep}/`)));
  if (!incoming)
    walk.lose(far, {
      kind: 'underlay',
      title: `${vtep} is on no interface`,
      details: { vtep },
      reason: `no interface of ${target.name} has the address ${vtep}`,
    });
  if (!incoming.up || !incoming.running)
    walk.lose(far, {
      kind: 'underlay',
      title: `${incoming.name} is down`,
      reason: `${incoming.name} of ${target.name} is down`,
    });
  if (spi !== undefined) checkOpened(walk, far, outer, spi);
  const arriving = { ...outer, input: incoming.name, output: '', local: true, ipsec: spi !== undefined };
  walk.hook(far, 'prerouting', arriving);
  walk.hook(far, 'input', arriving);
  walk.add(far, {
    kind: 'underlay',
    title: `${incoming.name} (${incoming.index}) has ${vtep}`,
    details: { device: incoming.name, index: String(incoming.index), address: vtep, mtu: String(incoming.mtu) },
    tap: incoming.name,
  });
}

/** The device of the same VNI and port on the other node. */
function arrive(walk: Walk, { place, vxlan }: VxlanPort, target: DirectoryNode): TunnelEnd {
  const far = { node: target.id, namespace: place.namespace };
  const namespaces = place.namespace === '' ? [''] : walk.book.get(target.id, { kind: 'namespaces' });
  if (!namespaces.includes(place.namespace))
    walk.lose(
      { node: target.id, namespace: '' },
      {
        kind: 'vxlan',
        title: `no namespace ${place.namespace}`,
        details: { vni: String(vxlan.vni) },
        reason: `${target.name} does not have this network: there is no namespace ${place.namespace}`,
        hint: `See: tsswarm --host … doctor on ${target.name}`,
      },
    );
  const links = walk.links(far);
  const device = links.find((link) => link.vxlan?.vni === vxlan.vni && link.vxlan.port === vxlan.port);
  if (!device) {
    const other = links.find((link) => link.vxlan !== undefined)?.vxlan;
    const has = other ? `has VNI ${other.vni} on port ${other.port}` : 'has no VXLAN device';
    walk.lose(far, {
      kind: 'vxlan',
      title: other ? `VNI ${other.vni}, port ${other.port}` : 'no VXLAN device',
      details: { wantedVni: String(vxlan.vni), wantedPort: String(vxlan.port) },
      reason: `the packet has VNI ${vxlan.vni} and comes to port ${vxlan.port}; ${place.namespace ? `${place.namespace} of ` : ''}${target.name} ${has}`,
      hint: `Look: ${inside(far)} ip -d link show type vxlan`,
    });
  }
  if (!device.up)
    walk.lose(far, {
      kind: 'vxlan',
      title: `${device.name} is down`,
      details: deviceDetails(device),
      reason: `${device.name} of ${target.name} is down`,
    });
  if (device.master === undefined && place.namespace === '') addDevice(walk, far, device);
  return { place: far, device };
}

const deviceDetails = ({ name, index, vxlan }: LinkFact) => ({
  device: name,
  index: String(index),
  vni: String(vxlan?.vni ?? ''),
  local: vxlan?.local ?? '',
});

function addDevice(walk: Walk, place: Place, device: LinkFact): void {
  walk.add(place, {
    kind: 'vxlan',
    title: `${device.name} (${device.index}), VNI ${device.vxlan?.vni}`,
    details: deviceDetails(device),
    tap: device.name,
  });
}

function onBridge(walk: Walk, { place: far, device }: TunnelEnd): BridgeEntry {
  const bridge = device.master === undefined ? undefined : walk.link(far, device.master);
  if (!bridge)
    walk.lose(far, {
      kind: 'vxlan',
      title: `${device.name} is on no bridge`,
      details: deviceDetails(device),
      reason: `${device.name} of ${walk.nodeName(far.node)} is not a port of the network's bridge`,
      hint: `Look: ${inside(far)} ip -d link show ${device.name}`,
    });
  addDevice(walk, far, device);
  return { place: far, bridge, port: device };
}
