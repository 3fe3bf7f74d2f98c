/** Routes: RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE (linux/rtnetlink.h). Pure. */
import { Attributes, addressBytes, attribute, nested, optional, u32 } from './attributes.js';
import { AF_UNSPEC, familyNumber, splitCidr } from './families.js';
import {
  type NetlinkMessage,
  type NetlinkRequest,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  request,
} from './messages.js';
import { type Operation, operation } from './operation.js';

export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;

export const TABLE_MAIN = 254;

/** Values of rtm_scope. */
const routeScopes = { universe: 0, site: 200, link: 253, host: 254, nowhere: 255 } as const;
export type RouteScope = keyof typeof routeScopes;

/** Values of rtm_type that we use or meet. */
export const routeTypes = {
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
} as const;
export type RouteType = keyof typeof routeTypes;

const RTPROT_BOOT = 3;
/** Of Route.protocol: a router advertisement. */
export const RTPROT_RA = 9;
const RTM_F_CLONED = 0x200;
const RTNH_F_ONLINK = 4;

const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_METRICS = 8;
const RTA_TABLE = 15;
const RTAX_MTU = 2;

/** A route as the kernel shows it. */
export interface Route {
  readonly family: 4 | 6;
  /** CIDR; the default route is 0.0.0.0/0 or ::/0. */
  readonly destination: string;
  /** The gateway's address. */
  readonly via: string | undefined;
  /** Of the interface; undefined for blackhole and the like, and for multipath. */
  readonly index: number | undefined;
  readonly onlink: boolean;
  readonly table: number;
  /** Path MTU metric; undefined: the interface's. */
  readonly mtu: number | undefined;
  readonly scope: number;
  readonly type: number;
  /** Who made it: 2 kernel, 3 boot, 4 static … */
  readonly protocol: number;
  /** The metric: the lowest wins. */
  readonly priority: number;
  /** Preferred source address. */
  readonly source: string | undefined;
}

export interface RouteOptions {
  /** CIDR; the default route is 0.0.0.0/0 or ::/0. */
  readonly destination: string;
  readonly via?: string | undefined;
  readonly index?: number | undefined;
  /** Take `via` for reachable over `index` though no route says so. */
  readonly onlink?: boolean | undefined;
  /** TABLE_MAIN unless given. */
  readonly table?: number | undefined;
  readonly mtu?: number | undefined;
  /** Universe with a gateway, link without, unless given. */
  readonly scope?: RouteScope | undefined;
  /** Unicast unless given. */
  readonly type?: RouteType | undefined;
  readonly priority?: number | undefined;
  readonly source?: string | undefined;
  /** Who makes it; boot unless given. To delete: whose it has to be, anybody's unless given. */
  readonly protocol?: number | undefined;
  /** Take the place of a route with the same destination, table and priority; EEXIST otherwise. */
  readonly replace?: boolean | undefined;
}

function payload(route: RouteOptions, scope: number, protocol: number, type: number): Buffer[] {
  const { family, address, prefix } = splitCidr(route.destination);
  const table = route.table ?? TABLE_MAIN;
  const header = Buffer.alloc(12);
  header[0] = familyNumber(family);
  header[1] = prefix;
  header[4] = table < 256 ? table : 0;
  header[5] = protocol;
  header[6] = scope;
  header[7] = type;
  header.writeUInt32LE(route.onlink ? RTNH_F_ONLINK : 0, 8);
  return [
    header,
    ...(prefix === 0 ? [] : [attribute(RTA_DST, addressBytes(address))]),
    ...optional(route.via, (via) => attribute(RTA_GATEWAY, addressBytes(via))),
    ...optional(route.index, (index) => attribute(RTA_OIF, u32(index))),
    ...optional(route.priority, (priority) => attribute(RTA_PRIORITY, u32(priority))),
    ...optional(route.source, (source) => attribute(RTA_PREFSRC, addressBytes(source))),
    ...optional(route.mtu, (mtu) => nested(RTA_METRICS, attribute(RTAX_MTU, u32(mtu)))),
    attribute(RTA_TABLE, u32(table)),
  ];
}

function summary(verb: string, { destination, via, table }: RouteOptions): string {
  const gateway = via === undefined ? '' : ` via ${via}`;
  return `${verb} route ${destination}${gateway}${table === undefined ? '' : ` in table ${table}`}`;
}

export function newRoute(route: RouteOptions): Operation {
  const type = routeTypes[route.type ?? 'unicast'];
  const onLink = route.via === undefined && type === routeTypes.unicast;
  const scope = routeScopes[route.scope ?? (type === routeTypes.local ? 'host' : onLink ? 'link' : 'universe')];
  const flags = NLM_F_CREATE | (route.replace ? NLM_F_REPLACE : NLM_F_EXCL);
  return operation(
    summary('add', route),
    request(RTM_NEWROUTE, flags, ...payload(route, scope, route.protocol ?? RTPROT_BOOT, type)),
  );
}

/** What is left out of `route` matches anything. ESRCH when there is no such route. */
export function deleteRoute(route: RouteOptions): Operation {
  const scope = routeScopes[route.scope ?? 'nowhere'];
  const type = route.type === undefined ? 0 : routeTypes[route.type];
  return operation(
    summary('delete', route),
    request(RTM_DELROUTE, 0, ...payload(route, scope, route.protocol ?? 0, type)),
  );
}

/** All tables, both families unless given. */
export function routeDump(table?: number, family?: 4 | 6): NetlinkRequest {
  const header = Buffer.alloc(12);
  header[0] = family === undefined ? AF_UNSPEC : familyNumber(family);
  return request(RTM_GETROUTE, NLM_F_DUMP, header, ...optional(table, (value) => attribute(RTA_TABLE, u32(value))));
}

/** @returns undefined for what is no route of ours to see: cached copies, other families */
export function parseRoute({ payload }: NetlinkMessage): Route | undefined {
  const attributes = new Attributes(payload.subarray(12));
  const flags = payload.readUInt32LE(8);
  const family = payload[0] === familyNumber(4) ? 4 : payload[0] === familyNumber(6) ? 6 : undefined;
  if (family === undefined || flags & RTM_F_CLONED) return undefined;
  const address = attributes.address(RTA_DST) ?? (family === 4 ? '0.0.0.0' : '::');
  return {
    family,
    destination: `${address}/${payload.readUInt8(1)}`,
    via: attributes.address(RTA_GATEWAY),
    index: attributes.u32(RTA_OIF),
    onlink: (flags & RTNH_F_ONLINK) !== 0,
    table: attributes.u32(RTA_TABLE) ?? payload.readUInt8(4),
    mtu: attributes.nested(RTA_METRICS)?.u32(RTAX_MTU),
    scope: payload.readUInt8(6),
    type: payload.readUInt8(7),
    protocol: payload.readUInt8(5),
    priority: attributes.u32(RTA_PRIORITY) ?? 0,
    source: attributes.address(RTA_PREFSRC),
  };
}
