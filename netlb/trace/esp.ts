/** Packets of encrypted overlays between nodes: ESP by a policy and an association here, out of ESP by one there. */
import { ENCRYPTION_MARK } from '../blueprint/encryption.js';
import { spiName } from '../kernel/xfrm.js';
import type { HookPacket } from './packet.js';
import type { Place, Walk } from './walk.js';

/**
 * The SPI that an outgoing packet is sent under; undefined for one that no rule has marked: it is sent in clear.
 * @param packet as the rules of the output hook have left it
 */
export function sealedWith(walk: Walk, place: Place, packet: HookPacket): number | undefined {
  if (packet.mark !== ENCRYPTION_MARK) return undefined;
  const { source, destination, destinationPort: port = 0 } = packet;
  const { policy, associations } = walk.book.get(place.node, { kind: 'security', source, destination, port });
  const details = { source, destination };
  if (policy === null)
    walk.lose(place, {
      kind: 'esp',
      title: `no security policy for ${destination}`,
      details,
      reason: `the network is encrypted, and ${walk.nodeName(place.node)} has no security policy for ${destination}: what it sends there is dropped`,
      hint: 'Look: ip xfrm policy',
    });
  const all = { ...details, spi: spiName(policy) };
  const title = `${source} → ${destination}: ESP, SPI ${spiName(policy)}`;
  if (!associations.includes(policy))
    walk.lose(place, {
      kind: 'esp',
      title,
      details: all,
      reason: `${walk.nodeName(place.node)} has no security association ${spiName(policy)} to ${destination}: what it sends there is dropped`,
      hint: 'Look: ip xfrm state',
    });
  walk.add(place, { kind: 'esp', title, details: all });
  return policy;
}

/** The other node must know the association, by its destination and SPI. */
export function checkOpened(walk: Walk, far: Place, packet: HookPacket, spi: number): void {
  const { source, destination, destinationPort: port = 0 } = packet;
  const { associations } = walk.book.get(far.node, { kind: 'security', source, destination, port });
  if (associations.includes(spi)) return;
  walk.lose(far, {
    kind: 'esp',
    title: `ESP, SPI ${spiName(spi)}`,
    details: { source, destination, spi: spiName(spi) },
    reason: `${walk.nodeName(far.node)} has no security association ${spiName(spi)} from ${source}: it drops what comes under it`,
    hint: 'Look: ip xfrm state; cat /proc/net/xfrm_stat',
  });
}
