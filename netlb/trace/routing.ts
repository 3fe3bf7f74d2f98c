/** Layer 3: what a namespace does with a packet, as its hooks, rules and routes say (net/ipv4 of the kernel). */
import { familyOf } from '../../lib/ip.js';
import { NO_MAC } from '../kernel/neighbours.js';
import { balancedByIpvs } from './ipvs.js';
import { inside, neighbourOf } from './neighbour.js';
import type { HookPacket } from './packet.js';
import type { RouteAnswer } from './queries.js';
import { type Arrival, checkLink, crossVeth, overBridge } from './segment.js';
import { checkSocket } from './sockets.js';
import { overTunnel, type VxlanPort } from './vxlan.js';
import { endOf, hex, type LinkFact, type Place, type Walk } from './walk.js';
import { markOf, sourceUndone, undone, wayBackMac } from './way-back.js';

type Found = Extract<RouteAnswer, { readonly found: true }>;

/** How a walk ended. */
export type End =
  | { readonly kind: 'delivered'; readonly place: Place; readonly packet: HookPacket; readonly frame: Arrival['frame'] }
  | { readonly kind: 'left'; readonly place: Place; readonly packet: HookPacket };
export type Next = { readonly arrival: Arrival } | { readonly end: End };

/** MAC of frames that never leave a namespace. */
const LOOPBACK = { source: NO_MAC, destination: NO_MAC };

/**
 * A packet that a program of a namespace sends. Its source is chosen by the route.
 * @param whyNot words for a destination that cannot be reached from there, whatever the route
 */
export function send(walk: Walk, place: Place, first: HookPacket, whyNot: (address: string) => string): Next {
  const outer = lookUp(walk, place, first, whyNot);
  let packet: HookPacket = {
    ...first,
    source: first.source === '' ? (outer.source ?? '') : first.source,
    output: walk.link(place, outer.index)?.name ?? '',
    local: outer.type === 'local',
  };
  packet = walk.hook(place, 'output', packet);
  const isSame = packet.destination === first.destination && packet.mark === first.mark;
  const route = isSame ? outer : lookUp(walk, place, packet, whyNot);
  describeRoute(walk, place, route, packet);
  if (route.type === 'local') return { end: deliver(walk, place, packet, 'lo', LOOPBACK) };
  return egress(walk, place, route, packet, whyNot);
}

/** A packet that has come to an interface: it is for this namespace, or passed on. */
export function receive(
  walk: Walk,
  { place, link, frame, packet: sent }: Arrival,
  whyNot: (address: string) => string,
): Next {
  if (!link.up)
    walk.lose(place, {
      kind: 'interface',
      title: `${link.name} is down`,
      reason: `${link.name} of ${walk.owner(place) || 'the node'} is down`,
    });
  if (frame.destination !== link.mac)
    walk.lose(place, {
      kind: 'interface',
      title: `${link.name} has ${link.mac}`,
      details: { device: link.name, mac: link.mac, frame: frame.destination },
      reason: `the frame is for ${frame.destination}, but ${link.name} has ${link.mac}: it is ignored`,
      tap: link.name,
    });
  walk.add(place, {
    kind: 'interface',
    title: `${link.name} (${link.index}) takes it`,
    details: { device: link.name, index: String(link.index), mac: link.mac, addresses: addressesOn(walk, place, link) },
    tap: link.name,
  });
  let packet: HookPacket = {
    ...undone(walk, place, sent),
    mark: markOf(walk, place, link, frame.source, sent),
    connectionMark: 0,
    input: link.name,
    output: '',
    local: walk.isLocal(place, sent.destination),
    outputAddress: '',
  };
  packet = walk.hook(place, 'prerouting', packet);
  const route = lookUp(walk, place, packet, whyNot, link);
  if (route.type === 'local') return delivered(walk, place, { ...packet, local: true }, link, frame, whyNot);
  const output = walk.link(place, route.index)?.name ?? '';
  packet = walk.hook(place, 'forward', { ...packet, output, local: false });
  describeRoute(walk, place, route, packet);
  return egress(walk, place, route, packet, whyNot);
}

/** @throws Lost with the hop of the route when there is none */
function lookUp(
  walk: Walk,
  place: Place,
  packet: HookPacket,
  whyNot: (address: string) => string,
  link?: LinkFact,
): Found {
  const { source, destination, mark, input } = packet;
  const { node, namespace } = place;
  const route = walk.book.get(node, { kind: 'route', namespace, destination, source, mark, input });
  if (route.found) return route;
  const why = isTranslated(packet) ? '' : whyNot(destination);
  const details = { destination, source, mark: String(mark), error: route.code };
  if (link) checkReversePath(walk, place, link, packet, details);
  const forwarding = 'net/ipv4/ip_forward';
  const isOff =
    link !== undefined && walk.book.get(node, { kind: 'sysctls', namespace, keys: [forwarding] })[forwarding] === '0';
  walk.lose(place, {
    kind: 'route',
    title: `no route to ${destination}`,
    details,
    reason:
      why ||
      (isOff
        ? `it is for ${destination}, which is no address here, and forwarding is off (net.ipv4.ip_forward=0)`
        : `there is no route to ${walk.who(destination)}: ${route.words}`),
    hint: `Look: ${inside(place)} ip route get ${destination}`.replace('  ', ' '),
  });
}

/**
 * Whether the source is refused (rp_filter of ip-sysctl.rst): the kernel looks up the way back as if it were sent
 * now, without the packet's mark unless src_valid_mark is on. It answers EXDEV, or EINVAL since 6.14.
 */
function checkReversePath(
  walk: Walk,
  place: Place,
  link: LinkFact,
  { source, destination, mark }: HookPacket,
  details: Readonly<Record<string, string>>,
): void {
  const { node, namespace } = place;
  const key = (of: string, name: string) => `net/ipv4/conf/${of}/${name}`;
  const [all, own, marked] = [key('all', 'rp_filter'), key(link.name, 'rp_filter'), key(link.name, 'src_valid_mark')];
  const values = walk.book.get(node, { kind: 'sysctls', namespace, keys: [all, own, marked] });
  const strictness = Math.max(Number(values[all] ?? 0), Number(values[own] ?? 0));
  if (strictness === 0) return;
  const back = walk.book.get(node, {
    kind: 'route',
    namespace,
    destination: source,
    source: destination,
    mark: values[marked] === '1' ? mark : 0,
    input: '',
  });
  if (back.found && (strictness === 2 || back.index === link.index)) return;
  walk.lose(place, {
    kind: 'route',
    title: `rp_filter refuses ${source}`,
    details: {
      ...details,
      rp_filter: String(strictness),
      wayBack: back.found ? (walk.link(place, back.index)?.name ?? '') : 'none',
    },
    reason: `the reverse path filter drops it: the route back to ${source} does not lead out of ${link.name}`,
    hint: `${inside(place)} sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.${link.name}.rp_filter=0`.trim(),
  });
}

function describeRoute(walk: Walk, place: Place, route: Found, { destination, mark }: HookPacket): void {
  const { node, namespace } = place;
  const device = walk.link(place, route.index);
  const rules = walk.book.get(node, { kind: 'rules', namespace });
  const family = familyOf(destination);
  const rule = rules.find(
    (one) =>
      one.family === family &&
      one.table === route.table &&
      (one.fwmark === undefined || (mark & (one.fwmask ?? 0xffffffff)) >>> 0 === one.fwmark),
  );
  const to =
    route.type === 'local' ? 'here' : `${route.via ? `via ${route.via} ` : ''}by ${device?.name ?? route.index}`;
  walk.add(place, {
    kind: 'route',
    title: `${destination} ${to}`,
    details: {
      destination,
      table: tableName(route.table),
      rule: rule ? `${rule.priority}${rule.fwmark === undefined ? '' : ` (fwmark ${hex(rule.fwmark)})`}` : '',
      via: route.via ?? '',
      device: device?.name ?? '',
      source: route.source ?? '',
      mtu: String(route.mtu ?? device?.mtu ?? ''),
      ...(mark === 0 ? {} : { mark: hex(mark) }),
    },
  });
}

/** What it goes to is not what its sender asked for. */
const isTranslated = ({ translated }: HookPacket): boolean => translated.includes('dnat');

const tableName = (table: number): string => ({ 255: 'local', 254: 'main', 253: 'default' })[table] ?? String(table);

/** Out of an interface: translation of the source, the neighbour, and the wire. */
function egress(walk: Walk, place: Place, route: Found, sent: HookPacket, whyNot: (address: string) => string): Next {
  const link = walk.link(place, route.index);
  if (!link)
    walk.lose(place, {
      kind: 'route',
      title: `link ${route.index} is gone`,
      reason: 'the route leads to a link that is gone',
    });
  const room = Math.min(route.mtu ?? link.mtu, link.mtu);
  walk.size = walk.size === 0 ? room : Math.min(walk.size, room);
  const nextHop = route.via ?? sent.destination;
  const address = walk
    .addresses(place)
    .find(({ index, family, scope }) => index === link.index && family === familyOf(sent.destination) && scope === 0);
  const outputAddress = route.source ?? (address ? address.cidr.slice(0, address.cidr.lastIndexOf('/')) : '');
  const through = walk.hook(place, 'postrouting', { ...sent, input: '', output: link.name, outputAddress });
  const packet = sourceUndone(walk, place, through);
  const { vxlan } = link;
  if (vxlan && link.master === undefined)
    return overRoutedTunnel(walk, { place, device: link, vxlan }, nextHop, packet);
  const target = walk.nodeAt(nextHop);
  const peer =
    link.kind === 'veth'
      ? walk.book.get(place.node, { kind: 'peer', namespace: place.namespace, index: link.index })
      : undefined;
  const isWire = link.kind !== 'bridge' && (link.kind !== 'veth' || (peer?.link === undefined && peer !== null));
  if (isWire) return overWire(walk, place, link, packet, target && { node: target.id, address: nextHop }, whyNot);
  checkLink(walk, place, link, 'interface');
  const known = wayBackMac(walk, place, link, packet);
  const mac = known ?? neighbourOf(walk, place, link, nextHop);
  if (mac === undefined)
    walk.lose(place, {
      kind: 'neighbour',
      title: `${nextHop} is not known`,
      reason: `nobody is known to have ${nextHop}`,
    });
  const frame = { source: link.mac, destination: mac };
  const arrival =
    link.kind === 'bridge'
      ? overBridge(walk, { place, bridge: link, port: undefined }, frame, packet)
      : crossVeth(walk, place, link, frame, packet);
  return { arrival };
}

/** Out of a device that is no port of a bridge: a routed network's, on to the same one of another node. */
function overRoutedTunnel(walk: Walk, port: VxlanPort, nextHop: string, packet: HookPacket): Next {
  const { place, device } = port;
  checkLink(walk, place, device, 'interface');
  const mac = neighbourOf(walk, place, device, nextHop);
  if (mac === undefined)
    walk.lose(place, {
      kind: 'neighbour',
      title: `${nextHop} is not known`,
      reason: `${device.name} has no neighbour entry for ${nextHop}: the packet is dropped`,
      hint: `Look: ip neigh show dev ${device.name}`,
    });
  const frame = { source: device.mac, destination: mac };
  const end = overTunnel(walk, port, frame, packet);
  return { arrival: { place: end.place, link: end.device, frame, packet } };
}

/** Out of the node: to another one, or out of the swarm. @param target a node, and its address that the packet goes to */
function overWire(
  walk: Walk,
  place: Place,
  link: LinkFact,
  packet: HookPacket,
  target: { readonly node: string; readonly address: string } | undefined,
  whyNot: (address: string) => string,
): Next {
  checkLink(walk, place, link, 'interface');
  const title = `${packet.source || 'it'} → ${endOf(packet.destination, packet.destinationPort)} by ${link.name}`;
  const details = { device: link.name, source: packet.source, destination: packet.destination, mtu: String(link.mtu) };
  // Who routes to a node knows more of its networks than we do: a routed network without encapsulation.
  const isRouted = target !== undefined && target.address !== packet.destination;
  const why = isTranslated(packet) || isRouted ? '' : whyNot(packet.destination);
  if (why !== '') walk.lose(place, { kind: 'outside', title, details, reason: why, tap: link.name });
  if (target === undefined || target.node === place.node) {
    walk.add(place, { kind: 'outside', title, details, tap: link.name });
    return { end: { kind: 'left', place, packet } };
  }
  walk.add(place, { kind: 'underlay', title, details, tap: link.name });
  return { arrival: arriveAt(walk, target.node, packet, target.address) };
}

/** At the interface of a node that has an address: the packet's destination, unless it is routed on. */
export function arriveAt(walk: Walk, node: string, packet: HookPacket, at = packet.destination): Arrival {
  const place = { node, namespace: '' };
  const address = walk.addresses(place).find(({ cidr }) => cidr.startsWith(`${at}/`));
  const link = address && walk.link(place, address.index);
  if (!link)
    walk.lose(place, {
      kind: 'interface',
      title: `${at} is on no interface`,
      details: { address: at },
      reason: `no interface of ${walk.nodeName(node)} has the address ${at}`,
    });
  return { place, link, frame: { source: '', destination: link.mac }, packet };
}

/** It is for the namespace itself, or for its IPVS, which sends it on as if it came from there (ip_vs_nat_xmit). */
function delivered(
  walk: Walk,
  place: Place,
  packet: HookPacket,
  link: LinkFact,
  frame: Arrival['frame'],
  whyNot: (address: string) => string,
): Next {
  const arrived = walk.hook(place, 'input', { ...packet, input: link.name, output: '' });
  const sent = balancedByIpvs(walk, place, arrived);
  if (!sent) return { end: ended(walk, place, arrived, frame) };
  // By the destination alone: the source is nobody's here.
  const route = lookUp(walk, place, { ...sent, source: '', mark: 0, input: '' }, whyNot);
  const output = walk.link(place, route.index)?.name ?? '';
  const leaving = walk.hook(place, 'output', { ...sent, input: '', output });
  describeRoute(walk, place, route, leaving);
  return egress(walk, place, route, leaving, whyNot);
}

function deliver(walk: Walk, place: Place, packet: HookPacket, input: string, frame: Arrival['frame']): End {
  const arrived = walk.hook(place, 'input', { ...packet, input, output: '' });
  return ended(walk, place, arrived, frame);
}

function ended(walk: Walk, place: Place, arrived: HookPacket, frame: Arrival['frame']): End {
  if (walk.leg === 'there') checkSocket(walk, place, arrived);
  return { kind: 'delivered', place, packet: arrived, frame };
}

function addressesOn(walk: Walk, place: Place, link: LinkFact): string {
  return walk
    .addresses(place)
    .filter(({ index, family }) => index === link.index && family === 4)
    .map(({ cidr }) => cidr)
    .join(', ');
}
