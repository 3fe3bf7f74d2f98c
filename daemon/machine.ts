import { addressOf } from '../lib/ip.js';
import { NetNamespace } from '../netlb/kernel/namespace.js';
import { routeTypes } from '../netlb/kernel/routes.js';
import { RouteSocket } from '../netlb/kernel/rtnetlink.js';
import { LINK_GROUP } from '../netlb/names.js';
import type { Machine } from './addresses.js';

const DEFAULT: ReadonlySet<string> = new Set(['0.0.0.0/0', '::/0']);
const SCOPE_LINK = 253;

/** Addresses of this machine's own interfaces: not of the loopback, of links that are down, or of those that tsswarm made. */
export function readMachine(): Machine {
  const socket = new RouteSocket(NetNamespace.self());
  try {
    const links = socket.links().filter((link) => link.up && link.name !== 'lo' && link.group !== LINK_GROUP);
    const names = new Map(links.map(({ index, name }) => [index, name]));
    const defaults = socket
      .routes()
      .filter((route) => route.type === routeTypes.unicast && DEFAULT.has(route.destination));
    return {
      addresses: socket.addresses().flatMap(({ index, cidr, family, scope }) => {
        const name = names.get(index);
        return name === undefined || scope >= SCOPE_LINK ? [] : [{ name, address: addressOf(cidr), family }];
      }),
      defaultInterfaces: [...new Set(defaults.flatMap(({ index }) => names.get(index ?? 0) ?? []))],
    };
  } finally {
    socket.close();
  }
}
