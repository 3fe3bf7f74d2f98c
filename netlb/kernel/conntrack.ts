/** Tracked connections through ctnetlink (linux/netfilter/nfnetlink_conntrack.h). */
import { familyOf } from '../../lib/ip.js';
import { Attributes, addressBytes, addressText, attribute, nested, optional, u8, u16be, u32 } from './attributes.js';
import {
  CTA_FILTER,
  CTA_FILTER_DST_PORT,
  CTA_FILTER_IP_DST,
  CTA_FILTER_IP_SRC,
  CTA_FILTER_ORIG_FLAGS,
  CTA_FILTER_PROTO_NUM,
  CTA_FILTER_REPLY_FLAGS,
  CTA_ID,
  CTA_IP_V4_DST,
  CTA_IP_V4_SRC,
  CTA_IP_V6_DST,
  CTA_IP_V6_SRC,
  CTA_PROTO_DST_PORT,
  CTA_PROTO_NUM,
  CTA_PROTO_SRC_PORT,
  CTA_TUPLE_IP,
  CTA_TUPLE_ORIG,
  CTA_TUPLE_PROTO,
  CTA_TUPLE_REPLY,
  CTA_ZONE,
  IPCTNL_MSG_CT_DELETE,
  IPCTNL_MSG_CT_GET,
} from './ctnetlink.js';
import { AF_UNSPEC, familyNumber } from './families.js';
import { type NetlinkMessage, type NetlinkRequest, NLM_F_DUMP } from './messages.js';
import type { NetNamespace } from './namespace.js';
import { kernelError, NETLINK_NETFILTER, NetlinkSocket } from './netlink.js';
import { NFGENMSG, NFNL_SUBSYS_CTNETLINK, nfRequest } from './nfnetlink.js';

const ENOENT = 2;
const EINVAL = 22;
const protocols = { tcp: 6, udp: 17, sctp: 132 } as const;

/** All that are given must match; at least one must be given. */
export interface FlowFilter {
  readonly protocol?: keyof typeof protocols | undefined;
  /** Where the client sent to, before translation: a virtual or published address. */
  readonly originalDestination?: string | undefined;
  readonly originalDestinationPort?: number | undefined;
  /** Who answers, after translation: the task that it was balanced to. */
  readonly replySource?: string | undefined;
}

/** One direction of a tracked connection. */
export interface FlowTuple {
  /** IP protocol number. */
  readonly protocol: number;
  readonly source: string;
  readonly destination: string;
  /** Undefined for protocols without ports. */
  readonly sourcePort: number | undefined;
  readonly destinationPort: number | undefined;
}

export interface Flow {
  readonly family: 4 | 6;
  readonly original: FlowTuple;
  readonly reply: FlowTuple;
  readonly zone: number;
}

interface TrackedFlow {
  readonly flow: Flow;
  readonly deletion: NetlinkRequest;
}

function parseTuple(tuple: Attributes): FlowTuple {
  const ip = tuple.nested(CTA_TUPLE_IP);
  const proto = tuple.nested(CTA_TUPLE_PROTO);
  return {
    protocol: proto?.u8(CTA_PROTO_NUM) ?? 0,
    source: ip?.address(CTA_IP_V4_SRC) ?? ip?.address(CTA_IP_V6_SRC) ?? '',
    destination: ip?.address(CTA_IP_V4_DST) ?? ip?.address(CTA_IP_V6_DST) ?? '',
    sourcePort: proto?.u16be(CTA_PROTO_SRC_PORT),
    destinationPort: proto?.u16be(CTA_PROTO_DST_PORT),
  };
}

/** With the request that deletes this very flow: by tuple, zone and id, so never one that took its place. */
function parseFlow({ payload }: NetlinkMessage): TrackedFlow | undefined {
  const attributes = new Attributes(payload.subarray(NFGENMSG));
  const original = attributes.nested(CTA_TUPLE_ORIG);
  const reply = attributes.nested(CTA_TUPLE_REPLY);
  const family = payload.readUInt8(0);
  if (!original || !reply) return undefined;
  const echoed = [CTA_TUPLE_ORIG, CTA_ZONE, CTA_ID].flatMap((type) => {
    const bytes = attributes.bytes(type);
    if (!bytes) return [];
    return [type === CTA_TUPLE_ORIG ? nested(type, bytes) : attribute(type, bytes)];
  });
  return {
    flow: {
      family: family === familyNumber(4) ? 4 : 6,
      original: parseTuple(original),
      reply: parseTuple(reply),
      zone: attributes.u16be(CTA_ZONE) ?? 0,
    },
    deletion: nfRequest(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE, 0, family, ...echoed),
  };
}

/** As addressText writes it, so that texts can be compared. */
const canonical = (address: string): string => addressText(addressBytes(address));

function matches({ original, reply }: Flow, filter: FlowFilter): boolean {
  return (
    (filter.protocol === undefined || original.protocol === protocols[filter.protocol]) &&
    (filter.originalDestination === undefined || original.destination === canonical(filter.originalDestination)) &&
    (filter.originalDestinationPort === undefined || original.destinationPort === filter.originalDestinationPort) &&
    (filter.replySource === undefined || reply.source === canonical(filter.replySource))
  );
}

/**
 * The kernel compares IPv4 addresses itself (since 5.8). Not IPv6: up to 6.18 at least, its comparison is the wrong way
 * round and takes what does not match.
 */
const isIPv4 = ({ originalDestination, replySource }: FlowFilter): boolean => {
  const address = originalDestination ?? replySource;
  return address !== undefined && familyOf(address) === 4;
};

/** A port alone means nothing to the kernel. */
const isWhole = (filter: FlowFilter): boolean =>
  isIPv4(filter) && (filter.protocol !== undefined || filter.originalDestinationPort === undefined);

/** What the kernel compares, of IPv4. */
function filterOf({ protocol, originalDestination, originalDestinationPort: port, replySource }: FlowFilter): Buffer[] {
  const ofPort = port === undefined ? undefined : u16be(port);
  const original = [
    ...optional(originalDestination, (value) => nested(CTA_TUPLE_IP, attribute(CTA_IP_V4_DST, addressBytes(value)))),
    ...(protocol === undefined && ofPort === undefined
      ? []
      : [
          nested(
            CTA_TUPLE_PROTO,
            ...optional(protocol, (value) => attribute(CTA_PROTO_NUM, u8(protocols[value]))),
            ...optional(ofPort, (value) => attribute(CTA_PROTO_DST_PORT, value)),
          ),
        ]),
  ];
  const flags =
    (originalDestination === undefined ? 0 : CTA_FILTER_IP_DST) |
    (protocol === undefined ? 0 : CTA_FILTER_PROTO_NUM) |
    (ofPort === undefined ? 0 : CTA_FILTER_DST_PORT);
  return [
    ...(original.length > 0 ? [nested(CTA_TUPLE_ORIG, ...original)] : []),
    ...optional(replySource, (value) =>
      nested(CTA_TUPLE_REPLY, nested(CTA_TUPLE_IP, attribute(CTA_IP_V4_SRC, addressBytes(value)))),
    ),
    nested(
      CTA_FILTER,
      attribute(CTA_FILTER_ORIG_FLAGS, u32(flags)),
      attribute(CTA_FILTER_REPLY_FLAGS, u32(replySource === undefined ? 0 : CTA_FILTER_IP_SRC)),
    ),
  ];
}

/** There is a tuple in each, by which a kernel that knows no filters refuses it. */
const flowDeletion = (filter: FlowFilter): NetlinkRequest =>
  nfRequest(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE, 0, familyNumber(4), ...filterOf(filter));

function flowDump(filter: FlowFilter): NetlinkRequest {
  const get = (family: number, ...attributes: readonly Buffer[]) =>
    nfRequest(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET, NLM_F_DUMP, family, ...attributes);
  const { originalDestination, replySource } = filter;
  if (isIPv4(filter)) return get(familyNumber(4), ...filterOf({ originalDestination, replySource }));
  const address = originalDestination ?? replySource;
  return get(address === undefined ? AF_UNSPEC : familyNumber(familyOf(address)));
}

function track(socket: NetlinkSocket, filter: FlowFilter): TrackedFlow[] {
  return socket
    .dump(flowDump(filter), 'list tracked connections')
    .map(parseFlow)
    .filter((tracked): tracked is TrackedFlow => tracked !== undefined && matches(tracked.flow, filter));
}

/** Tracked connections of a namespace; all of them with an empty filter. */
export function listFlows(namespace: NetNamespace, filter: FlowFilter): Flow[] {
  const socket = new NetlinkSocket({ namespace, protocol: NETLINK_NETFILTER });
  try {
    return track(socket, filter).map(({ flow }) => flow);
  } finally {
    socket.close();
  }
}

/** What all filters ask for: the kernel may leave out the rest. */
function commonOf(filters: readonly FlowFilter[]): FlowFilter {
  const same = (key: 'originalDestination' | 'replySource'): string | undefined => {
    const value = filters[0]?.[key];
    return filters.every((filter) => filter[key] === value) ? value : undefined;
  };
  return { originalDestination: same('originalDestination'), replySource: same('replySource') };
}

/** Whether any of many filters matches a flow: by who answers, which nearly every filter names. */
function anyMatches(filters: readonly FlowFilter[]): (flow: Flow) => boolean {
  const byAnswerer = new Map<string | undefined, FlowFilter[]>();
  for (const filter of filters) {
    const key = filter.replySource && canonical(filter.replySource);
    const group = byAnswerer.get(key);
    if (group) group.push(filter);
    else byAnswerer.set(key, [filter]);
  }
  const hit = (flow: Flow, key: string | undefined) =>
    byAnswerer.get(key)?.some((filter) => matches(flow, filter)) ?? false;
  return (flow) => hit(flow, flow.reply.source) || hit(flow, undefined);
}

/** With more filters one walk that reads all is shorter than one for each. */
const FEW = 16;

/** Whether this kernel deletes by filter (6.18 does, 6.1 does not); undefined until one was tried. */
let deletesByFilter: boolean | undefined;

/**
 * Makes the namespace forget the connections that any of the filters matches: their next packet is
 * tracked and balanced anew, or reset. The kernel walks through the table of all namespaces, for each filter where it
 * deletes by them itself, which takes a tenth of the time; otherwise once, however many there are.
 * @throws TypeError with an empty filter, KernelError
 */
export function deleteFlows(namespace: NetNamespace, ...filters: readonly FlowFilter[]): void {
  if (filters.length === 0) return;
  if (filters.some((filter) => Object.values(filter).every((value) => value === undefined)))
    throw new TypeError('a filter is needed: without one every connection would be deleted');
  const socket = new NetlinkSocket({ namespace, protocol: NETLINK_NETFILTER });
  try {
    if (!deleteByFilters(socket, filters)) deleteRead(socket, filters);
  } finally {
    socket.close();
  }
}

/** @returns whether the kernel could */
function deleteByFilters(socket: NetlinkSocket, filters: readonly FlowFilter[]): boolean {
  if (deletesByFilter === false || filters.length > FEW || !filters.every(isWhole)) return false;
  const [refusal] = socket.batch(filters.map((filter) => flowDeletion(filter)));
  // An older kernel takes the tuple for one of a single connection, which is not whole.
  deletesByFilter = refusal?.errno !== EINVAL;
  if (refusal && deletesByFilter) throw kernelError('delete tracked connections', refusal);
  return deletesByFilter;
}

function deleteRead(socket: NetlinkSocket, filters: readonly FlowFilter[]): void {
  const wanted = anyMatches(filters);
  const tracked = track(socket, commonOf(filters)).filter(({ flow }) => wanted(flow));
  const failures = socket.batch(tracked.map(({ deletion }) => deletion));
  // ENOENT: it ended by itself meanwhile.
  const refused = failures.find(({ errno }) => errno !== ENOENT);
  if (refused) throw kernelError('delete tracked connection', refused);
}
