import { addressDump, type InterfaceAddress, parseAddressMessage, RTM_DELADDR, RTM_NEWADDR } from './addresses.js';
import { isKernelError, type KernelError } from './errors.js';
import {
  type Link,
  type LinkReference,
  linkDump,
  linkQuery,
  parseLink,
  RTM_DELLINK,
  RTM_NEWLINK,
  setLink,
} from './links.js';
import type { NetlinkMessage } from './messages.js';
import type { NetNamespace } from './namespace.js';
import {
  type FdbEntry,
  fdbDump,
  type Neighbour,
  neighbourDump,
  parseFdb,
  parseNeighbour,
  RTM_DELNEIGH,
  RTM_GETNEIGH,
  RTM_NEWNEIGH,
} from './neighbours.js';
import { kernelError, NETLINK_ROUTE, NetlinkSocket, type Subscription, subscribe } from './netlink.js';
import { namespaceIdQuery, newNamespaceId, parseNamespaceId } from './nsid.js';
import type { Operation } from './operation.js';
import { parseRoute, type Route, RTM_DELROUTE, RTM_NEWROUTE, routeDump } from './routes.js';
import { parseRule, RTM_DELRULE, RTM_NEWRULE, type Rule, ruleDump } from './rules.js';

export { deleteAddress, type InterfaceAddress, newAddress } from './addresses.js';
export {
  deleteGroup,
  deleteLink,
  type Link,
  type LinkReference,
  newBridge,
  newVeth,
  newVxlan,
  setLink,
} from './links.js';
export {
  deleteFdb,
  deleteNeighbour,
  type FdbEntry,
  type Neighbour,
  newFdb,
  newNeighbour,
} from './neighbours.js';
export type { Operation } from './operation.js';
export { deleteRoute, newRoute, type Route } from './routes.js';
export { deleteRule, newRule, type Rule } from './rules.js';

/** The loopback has this index in every namespace. */
export const LOOPBACK_INDEX = 1;

export interface FailedOperation {
  readonly op: Operation;
  readonly error: KernelError;
}

const present = <T>(value: T | undefined): value is T => value !== undefined;

/** Reads and changes links, addresses, routes, rules and neighbours of one namespace. Close it. */
export class RouteSocket {
  readonly namespace: NetNamespace;
  readonly #socket: NetlinkSocket;

  constructor(namespace: NetNamespace) {
    this.namespace = namespace;
    this.#socket = new NetlinkSocket({ namespace, protocol: NETLINK_ROUTE });
  }

  links(): Link[] {
    return this.#socket.dump(linkDump(), 'list links').map(parseLink);
  }

  /** One link; undefined when there is none. */
  link(reference: LinkReference): Link | undefined {
    try {
      return parseLink(this.#socket.get(linkQuery(reference), 'read link'));
    } catch (error) {
      if (isKernelError(error, 'ENODEV')) return undefined;
      throw error;
    }
  }

  addresses(): InterfaceAddress[] {
    return this.#socket.dump(addressDump(), 'list addresses').map(parseAddressMessage);
  }

  /** Of all tables, the local one too, unless one is given. */
  routes(table?: number): Route[] {
    const routes = this.#dumpTable(table).map(parseRoute).filter(present);
    // Kernels before 4.20 send all tables.
    return table === undefined ? routes : routes.filter((route) => route.table === table);
  }

  #dumpTable(table: number | undefined): NetlinkMessage[] {
    try {
      return this.#socket.dump(routeDump(table), 'list routes');
    } catch (error) {
      // Asked for a table that no route was ever put in.
      if (table !== undefined && isKernelError(error, 'ENOENT')) return [];
      throw error;
    }
  }

  rules(): Rule[] {
    return this.#socket.dump(ruleDump(), 'list rules').map(parseRule).filter(present);
  }

  /** ARP and NDP entries, of all links unless one is given. Those of noarp links are left out by the kernel. */
  neighbours(index?: number): Neighbour[] {
    const entries = this.#socket.dump(neighbourDump(index), 'list neighbours').map(parseNeighbour).filter(present);
    return index === undefined ? entries : entries.filter((entry) => entry.index === index);
  }

  /** Forwarding entries of VXLAN devices and bridge ports, of all links unless one is given. */
  fdb(index?: number): FdbEntry[] {
    const entries = this.#socket.dump(fdbDump(index), 'list forwarding entries').map(parseFdb).filter(present);
    return index === undefined ? entries : entries.filter((entry) => entry.index === index);
  }

  /**
   * Does all operations, in few system calls and in this order; a refused one does not stop the others.
   * What can only be set on an existing link (aliases, port isolation) follows after the last of them.
   */
  batch(operations: readonly Operation[]): { failed: FailedOperation[] } {
    const failed: FailedOperation[] = [];
    const send = (ops: readonly Operation[], requestOf: (op: Operation) => Operation['followUp']): Set<Operation> => {
      const requests = ops.map(requestOf).filter(present);
      const refused = new Set<Operation>();
      for (const failure of this.#socket.batch(requests)) {
        const op = ops[failure.index];
        if (op === undefined) continue;
        refused.add(op);
        failed.push({ op, error: kernelError(op.summary, failure) });
      }
      return refused;
    };
    const refused = send(operations, (op) => op.request);
    send(
      operations.filter((op) => op.followUp !== undefined && !refused.has(op)),
      (op) => op.followUp,
    );
    return { failed };
  }

  /** One operation. @throws KernelError */
  apply(op: Operation): void {
    const [failure] = this.batch([op]).failed;
    if (failure) throw failure.error;
  }

  /** This namespace's number for another one (Link.peerNetnsId); undefined when no link leads there. */
  namespaceId(other: NetNamespace): number | undefined {
    return parseNamespaceId(this.#socket.get(namespaceIdQuery(other.fd), 'read number of namespace'));
  }

  /** The same, given to it if need be: what changes in a namespace with a number can be heard here (NoticeSocket). */
  numberOf(other: NetNamespace): number | undefined {
    const [refusal] = this.#socket.batch([newNamespaceId(other.fd)]);
    const EEXIST = 17;
    if (refusal && refusal.errno !== EEXIST) throw kernelError('number a namespace', refusal);
    return this.namespaceId(other);
  }

  /** A new namespace's loopback is down, and with it every address of its own. */
  raiseLoopback(): void {
    this.apply(setLink({ index: LOOPBACK_INDEX }, { up: true }));
  }

  close(): void {
    this.#socket.close();
  }
}

/** Multicast groups of linux/rtnetlink.h. */
export const routeGroups = {
  link: 1,
  neighbour: 3,
  ipv4Address: 5,
  ipv4Route: 7,
  ipv4Rule: 8,
  ipv6Address: 9,
  ipv6Route: 11,
  ipv6Rule: 19,
} as const;
export type RouteGroup = keyof typeof routeGroups;

/** Something changed; `overflow`: notifications were lost, so anything may have. */
export type RouteEvent =
  | { readonly kind: 'link'; readonly gone: boolean; readonly link: Link }
  | { readonly kind: 'address'; readonly gone: boolean; readonly address: InterfaceAddress }
  | { readonly kind: 'route'; readonly gone: boolean; readonly route: Route }
  | { readonly kind: 'rule'; readonly gone: boolean; readonly rule: Rule }
  | { readonly kind: 'neighbour'; readonly gone: boolean; readonly neighbour: Neighbour }
  | { readonly kind: 'fdb'; readonly gone: boolean; readonly entry: FdbEntry }
  /** A VXLAN device with l2miss or l3miss asks who has an address. */
  | { readonly kind: 'miss'; readonly neighbour: Neighbour | undefined; readonly entry: FdbEntry | undefined }
  | { readonly kind: 'overflow' };

/** @returns undefined for messages of no interest */
function parseRouteEvent(message: NetlinkMessage): RouteEvent | undefined {
  switch (message.type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return { kind: 'link', gone: message.type === RTM_DELLINK, link: parseLink(message) };
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return { kind: 'address', gone: message.type === RTM_DELADDR, address: parseAddressMessage(message) };
    case RTM_NEWROUTE:
    case RTM_DELROUTE: {
      const route = parseRoute(message);
      return route && { kind: 'route', gone: message.type === RTM_DELROUTE, route };
    }
    case RTM_NEWRULE:
    case RTM_DELRULE: {
      const rule = parseRule(message);
      return rule && { kind: 'rule', gone: message.type === RTM_DELRULE, rule };
    }
    case RTM_GETNEIGH:
      return { kind: 'miss', neighbour: parseNeighbour(message), entry: parseFdb(message) };
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH: {
      const gone = message.type === RTM_DELNEIGH;
      const entry = parseFdb(message);
      if (entry) return { kind: 'fdb', gone, entry };
      const neighbour = parseNeighbour(message);
      return neighbour && { kind: 'neighbour', gone, neighbour };
    }
    default:
      return undefined;
  }
}

/** Calls back with what changes in a namespace, whoever changes it: our own operations too. */
export function subscribeRoutes(
  namespace: NetNamespace,
  groups: readonly RouteGroup[],
  callback: (events: readonly RouteEvent[]) => void,
): Subscription {
  const numbers = groups.map((group) => routeGroups[group]);
  return subscribe({ namespace, protocol: NETLINK_ROUTE, groups: numbers }, (what) => {
    const events =
      what.kind === 'overflow' ? [{ kind: 'overflow' } as const] : what.messages.map(parseRouteEvent).filter(present);
    if (events.length > 0) callback(events);
  });
}
