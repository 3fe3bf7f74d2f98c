/** Whether somebody takes what has come to a namespace. */
import { familyOf } from '../../lib/ip.js';
import { inside } from './neighbour.js';
import type { HookPacket } from './packet.js';
import { endOf, type Place, type Walk } from './walk.js';

/** @throws Lost when nobody does */
export function checkSocket(walk: Walk, place: Place, { protocol, destination, destinationPort }: HookPacket): void {
  const owner = walk.owner(place) || (place.namespace === '' ? 'the node' : place.namespace);
  if (protocol === 'icmp') {
    const key = 'net/ipv4/icmp_echo_ignore_all';
    const ignores =
      walk.book.get(place.node, { kind: 'sysctls', namespace: place.namespace, keys: [key] })[key] === '1';
    if (ignores)
      walk.lose(place, {
        kind: 'socket',
        title: 'echo requests are ignored',
        reason: `${owner} ignores echo requests (net.ipv4.icmp_echo_ignore_all=1)`,
      });
    walk.add(place, { kind: 'socket', title: `the kernel of ${owner} answers echo requests` });
    return;
  }
  const listeners = walk.book.get(place.node, { kind: 'listeners', namespace: place.namespace });
  const family = familyOf(destination);
  const same = listeners.filter((listener) => listener.protocol === protocol && listener.family === family);
  const takes = same.find(
    ({ address, port }) => port === destinationPort && (address === '' || address === destination),
  );
  const end = `${protocol} ${endOf(destination, destinationPort)}`;
  if (takes) {
    const any = family === 4 ? '0.0.0.0' : '[::]';
    const at = `${takes.address || any}:${takes.port}`;
    walk.add(place, {
      kind: 'socket',
      title: `${owner} listens on ${protocol} ${at}`,
      details: { protocol, listener: at },
    });
    return;
  }
  const other = listeners.find(
    (one) => one.protocol === protocol && one.port === destinationPort && one.family !== family,
  );
  const elsewhere = same.find(({ port }) => port === destinationPort);
  const ports = [...new Set(same.map(({ port }) => port))].sort((a, b) => a - b);
  walk.lose(place, {
    kind: 'socket',
    title: `nobody listens on ${end}`,
    details: { protocol, port: String(destinationPort ?? ''), listening: ports.join(', ') },
    reason: elsewhere
      ? `${owner} listens on ${elsewhere.address}:${elsewhere.port} only, not on ${destination}`
      : other
        ? `${owner} listens on ${protocol} port ${destinationPort} over IPv${other.family} only`
        : `nobody in ${owner} listens on ${protocol} port ${destinationPort}${ports.length > 0 ? ` (but on ${ports.slice(0, 10).join(', ')})` : ''}`,
    hint: `Look: ${inside(place)} ss -ln${protocol === 'tcp' ? 't' : 'u'}p`.replace('  ', ' '),
  });
}
