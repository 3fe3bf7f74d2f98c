/** Which MAC a packet gets: the neighbour table, or who would answer ARP. */
import { NO_MAC } from '../kernel/neighbours.js';

import type { Answers } from './queries.js';
import type { LinkFact, Place, Walk } from './walk.js';

/** NUD_* of linux/neighbour.h. */
const states: readonly (readonly [number, string])[] = [
  [0x01, 'INCOMPLETE'],
  [0x02, 'REACHABLE'],
  [0x04, 'STALE'],
  [0x08, 'DELAY'],
  [0x10, 'PROBE'],
  [0x20, 'FAILED'],
  [0x40, 'NOARP'],
  [0x80, 'PERMANENT'],
];
const UNUSABLE = 0x21;

export const stateName = (state: number): string =>
  states
    .filter(([bit]) => state & bit)
    .map(([, name]) => name)
    .join(' ') || 'NONE';

/** Who would answer an ARP request for the address on a link. */
interface Answerer {
  readonly mac: string;
  readonly by: string;
}

/** @returns undefined where it is asked on a wire that we do not see */
export function neighbourOf(walk: Walk, place: Place, link: LinkFact, address: string): string | undefined {
  const { node, namespace } = place;
  const entry = walk.book
    .get(node, { kind: 'neighbours', namespace, address })
    .find(({ index }) => index === link.index);
  const usable = entry !== undefined && entry.mac !== '' && entry.mac !== NO_MAC && (entry.state & UNUSABLE) === 0;
  const segment = segmentOf(walk, place, link);
  const answerers = segment && answerersOn(walk, segment, address);
  const title = (mac: string) => `${address} is ${mac} on ${link.name}`;
  if (usable) {
    const details = { address, mac: entry.mac, state: stateName(entry.state), device: link.name };
    const other = answerers?.find(({ mac }) => mac !== entry.mac);
    if (other && !answerers?.some(({ mac }) => mac === entry.mac))
      walk.lose(place, {
        kind: 'neighbour',
        title: title(entry.mac),
        details: { ...details, rightMac: other.mac },
        reason: `the neighbour entry is wrong: ${address} has ${other.mac} (says ${other.by})`,
        hint: `Look: ${inside(place)} ip neigh show ${address}`,
        tap: link.name,
      });
    const silent = answerers?.length === 0 && (entry.state & 0xc0) === 0;
    walk.add(place, {
      kind: 'neighbour',
      title: title(entry.mac),
      details,
      ...(silent
        ? {
            status: 'doubtful' as const,
            reason: `nobody answers ARP for ${address} any more: it is lost when this entry has aged`,
            hint: missingEntry(segment),
          }
        : {}),
    });
    return entry.mac;
  }
  const state = entry ? stateName(entry.state) : 'none';
  if (!answerers) {
    walk.add(place, {
      kind: 'neighbour',
      title: `${address} is asked for on ${link.name}`,
      details: { address, state, device: link.name },
      ...(entry && entry.state & 0x20
        ? { status: 'doubtful' as const, reason: `nobody answered ARP for ${address} lately (FAILED)` }
        : {}),
    });
    return undefined;
  }
  const [answerer] = answerers;
  if (!answerer)
    walk.lose(place, {
      kind: 'neighbour',
      title: `nobody has ${address} on ${link.name}`,
      details: { address, state, device: link.name },
      reason: `nobody answers ARP for ${address}${segment?.vxlan ? `: ${segment.vxlan.name} has no neighbour entry for it` : ''}`,
      hint: missingEntry(segment),
      tap: link.name,
    });
  walk.add(place, {
    kind: 'neighbour',
    title: title(answerer.mac),
    details: { address, mac: answerer.mac, state, device: link.name, answeredBy: answerer.by },
  });
  return answerer.mac;
}

/** The bridge that a link's frames go to. */
interface Segment {
  readonly place: Place;
  readonly bridge: LinkFact;
  readonly vxlan: LinkFact | undefined;
}

/** @returns undefined for links that lead elsewhere than to a bridge of this node */
function segmentOf(walk: Walk, place: Place, link: LinkFact): Segment | undefined {
  let at = place;
  let bridge: LinkFact | undefined = link.kind === 'bridge' ? link : undefined;
  if (link.kind === 'veth') {
    const peer = walk.book.get(place.node, { kind: 'peer', namespace: place.namespace, index: link.index });
    if (peer?.namespace === undefined || peer.link?.master === undefined) return undefined;
    at = { node: place.node, namespace: peer.namespace };
    bridge = walk.link(at, peer.link.master);
  }
  if (!bridge) return undefined;
  const index = bridge.index;
  const vxlan = walk.links(at).find((port) => port.master === index && port.vxlan !== undefined);
  return { place: at, bridge, vxlan };
}

function answerersOn(walk: Walk, { place, bridge, vxlan }: Segment, address: string): Answerer[] {
  const { node, namespace } = place;
  const answerers: Answerer[] = [];
  if (vxlan?.vxlan?.proxy) {
    const entry = walk.book
      .get(node, { kind: 'neighbours', namespace, address })
      .find(({ index, mac }) => index === vxlan.index && mac !== '');
    if (entry) answerers.push({ mac: entry.mac, by: vxlan.name });
  }
  for (const holder of walk.book.get(node, { kind: 'holders', address })) {
    if (!holder.up) continue;
    if (holder.namespace === namespace && holder.index === bridge.index)
      answerers.push({ mac: holder.mac, by: `the bridge ${bridge.name}` });
    else if (isPortOf(walk, place, bridge, holder))
      answerers.push({
        mac: holder.mac,
        by: `${holder.name} of ${walk.owner({ node, namespace: holder.namespace }) || holder.namespace}`,
      });
  }
  return answerers;
}

function isPortOf(walk: Walk, place: Place, bridge: LinkFact, holder: Answers['holders'][number]): boolean {
  const { node } = place;
  const peer = walk.book.get(node, { kind: 'peer', namespace: holder.namespace, index: holder.index });
  return peer?.namespace === place.namespace && peer.link?.master === bridge.index;
}

function missingEntry(segment: Segment | undefined): string {
  return segment?.vxlan ? `Look: ${inside(segment.place)} ip neigh show dev ${segment.vxlan.name}` : '';
}

/** How to run a program in a namespace, for hints. */
export const inside = ({ namespace }: Place): string =>
  namespace === '' ? '' : `nsenter --net=/run/tsswarm/netns/${namespace}`;
