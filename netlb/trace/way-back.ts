/** What answers need: the mark by which they find the ingress_sbox that they came through, and translations undone. */
import { macOf } from '../../lib/ip.js';
import { inside } from './neighbour.js';
import type { HookPacket } from './packet.js';
import { endOf, hex, type LinkFact, type Place, type Walk } from './walk.js';

/** Mark of a packet that came in through an ingress_sbox: the last four bytes of its Ethernet source. */
export function markOf(walk: Walk, place: Place, link: LinkFact, mac: string, { source, state }: HookPacket): number {
  if (place.namespace === '' || link.kind !== 'veth' || mac === '' || state !== 'new') return 0;
  const wayBack = walk.book.get(place.node, { kind: 'wayBack', namespace: place.namespace });
  if (!wayBack?.learns || wayBack.device !== link.name || mac === macOf(source)) return 0;
  return markOfMac(mac);
}

/** As the kernel of a little-endian machine reads them from the frame. */
const markOfMac = (mac: string): number => Buffer.from(mac.replaceAll(':', ''), 'hex').readUInt32LE(2);

/** The MAC that an answer's mark is exchanged for where it leaves (netdev egress). */
export function wayBackMac(walk: Walk, place: Place, link: LinkFact, { mark, state }: HookPacket): string | undefined {
  if (mark === 0 || state !== 'established' || place.namespace === '') return undefined;
  const wayBack = walk.book.get(place.node, { kind: 'wayBack', namespace: place.namespace });
  if (!wayBack || wayBack.device !== link.name) return undefined;
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(mark >>> 0);
  const learned = `02:42:${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`;
  const details = {
    mark: hex(mark),
    mac: wayBack.known[String(mark)] ?? learned,
    known: String(mark in wayBack.known),
  };
  if (!wayBack.restores)
    walk.lose(place, {
      kind: 'neighbour',
      title: `the answer's MAC is not restored`,
      details,
      reason:
        'the rule that sends answers back to the ingress_sbox they came by is gone (netdev tsswarm, chain restore)',
      hint: `Look: ${inside(place)} nft list table netdev tsswarm`,
      tap: link.name,
    });
  walk.add(place, {
    kind: 'neighbour',
    title: `mark ${hex(mark)} is ${details.mac}`,
    details,
    tap: link.name,
  });
  return details.mac;
}

/** An answer whose destination was translated on the way there: as it was before. */
export function undone(walk: Walk, place: Place, packet: HookPacket): HookPacket {
  if (packet.state !== 'established') return packet;
  const change = changeAt(
    walk,
    place,
    (after, before) => after.source === packet.destination && before.source !== after.source,
  );
  return change ? { ...packet, destination: change.before.source } : packet;
}

/** The same for its source, where it leaves. */
export function sourceUndone(walk: Walk, place: Place, packet: HookPacket): HookPacket {
  if (packet.state !== 'established') return packet;
  const change = changeAt(
    walk,
    place,
    (after, before) =>
      after.destination === packet.source &&
      (before.destination !== after.destination || before.destinationPort !== after.destinationPort),
  );
  if (!change) return packet;
  const { destination, destinationPort } = change.before;
  walk.add(place, {
    kind: 'translation',
    title: `source ${endOf(packet.source, packet.sourcePort)} → ${endOf(destination, destinationPort)} (as it was)`,
    details: { hook: 'connection tracking' },
  });
  return { ...packet, source: destination, sourcePort: destinationPort };
}

function changeAt(walk: Walk, { node, namespace }: Place, fits: (after: HookPacket, before: HookPacket) => boolean) {
  return walk.changes.find(
    ({ place, before, after }) => place.node === node && place.namespace === namespace && fits(after, before),
  );
}
