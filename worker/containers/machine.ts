import { parseCidr } from '../../lib/ip.js';
import { isTaken } from '../../netlb/blueprint/foreign.js';
import { NetNamespace } from '../../netlb/kernel/namespace.js';
import { routeTypes } from '../../netlb/kernel/routes.js';
import { RouteSocket } from '../../netlb/kernel/rtnetlink.js';
import { GATEWAY_BRIDGE, LINK_GROUP } from '../../netlb/names.js';
import type { Claim } from './subnets.js';

/** What this machine's own interfaces and routes have: of links that are not ours. Ways to everywhere are no claim. */
export function machineClaims(): Claim[] {
  const socket = new RouteSocket(NetNamespace.self());
  try {
    const foreign = socket.links().filter(({ group, name }) => group !== LINK_GROUP && name !== 'lo');
    const names = new Map(foreign.map(({ index, name }) => [index, name]));
    const addresses = socket.addresses().flatMap(({ index, cidr }) => {
      const name = names.get(index);
      return name === undefined || cidr.startsWith('fe80:') ? [] : [{ cidr, owner: `interface ${name}` }];
    });
    const routes = socket.routes().flatMap(({ destination, type, index }) => {
      const name = names.get(index ?? 0);
      const counts = type === routeTypes.unicast && isTaken(destination) && !destination.startsWith('ff00:');
      return counts && name !== undefined ? [{ cidr: destination, owner: `the route of ${name}` }] : [];
    });
    return [...addresses, ...routes].map(({ cidr, owner }) => ({ cidr: parseCidr(cidr), owner }));
  } finally {
    socket.close();
  }
}

/** Names of all links of this machine. */
export function machineLinks(): ReadonlySet<string> {
  const socket = new RouteSocket(NetNamespace.self());
  try {
    return new Set(socket.links().map(({ name }) => name));
  } finally {
    socket.close();
  }
}

/** CIDRs that the gateway bridge has now; none when it is not there, or not ours. */
export function gatewayBridgeAddresses(): string[] {
  const socket = new RouteSocket(NetNamespace.self());
  try {
    const bridge = socket.link({ name: GATEWAY_BRIDGE });
    if (bridge?.group !== LINK_GROUP) return [];
    return socket.addresses().flatMap(({ index, cidr }) => (index === bridge.index ? [cidr] : []));
  } finally {
    socket.close();
  }
}
