/** Links: RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK (linux/if_link.h, linux/if_bridge.h). Pure. */
import { Attributes, addressBytes, attribute, macBytes, nested, optional, text, u8, u16be, u32 } from './attributes.js';
import { type NetlinkMessage, type NetlinkRequest, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, request } from './messages.js';
import { type Operation, operation } from './operation.js';

export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
const RTM_GETLINK = 18;

const IFF_UP = 1;
const IFF_LOWER_UP = 0x10000;
const RTEXT_FILTER_SKIP_STATS = 8;

const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINK = 5;
const IFLA_MASTER = 10;
const IFLA_LINKINFO = 18;
const IFLA_IFALIAS = 20;
const IFLA_GROUP = 27;
const IFLA_NET_NS_FD = 28;
const IFLA_EXT_MASK = 29;
const IFLA_LINK_NETNSID = 37;

const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_INFO_SLAVE_KIND = 4;
const IFLA_INFO_SLAVE_DATA = 5;

const VETH_INFO_PEER = 1;

const IFLA_BR_AGEING_TIME = 4;
const IFLA_BR_MCAST_SNOOPING = 23;

const IFLA_BRPORT_MODE = 4;
const IFLA_BRPORT_LEARNING = 8;
const IFLA_BRPORT_UNICAST_FLOOD = 9;
const IFLA_BRPORT_ISOLATED = 33;

const IFLA_VXLAN_ID = 1;
const IFLA_VXLAN_LOCAL = 4;
const IFLA_VXLAN_LEARNING = 7;
const IFLA_VXLAN_PROXY = 11;
const IFLA_VXLAN_L2MISS = 13;
const IFLA_VXLAN_L3MISS = 14;
const IFLA_VXLAN_PORT = 15;
const IFLA_VXLAN_LOCAL6 = 17;

/** A link as the kernel shows it. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** "veth", "bridge", "vxlan", "dummy" …; undefined for hardware and the loopback. */
  readonly kind: string | undefined;
  readonly mtu: number;
  /** "02:42:0a:00:01:05"; empty for links without one. */
  readonly mac: string;
  /** Set up by the administrator. */
  readonly up: boolean;
  /** Has a carrier. */
  readonly running: boolean;
  /** Index of the bridge that it is a port of. */
  readonly master: number | undefined;
  /** A veth's other end (or a VLAN's link): its index in the namespace that has it. */
  readonly peerIndex: number | undefined;
  /** This namespace's number for the namespace of `peerIndex`; undefined when it is the same one. */
  readonly peerNetnsId: number | undefined;
  /** 0 unless set. */
  readonly group: number;
  /** Empty unless set. */
  readonly alias: string;
  /** Set when it is a port of a bridge. */
  readonly bridgePort: BridgePort | undefined;
  /** Set when it is a VXLAN device. */
  readonly vxlan: VxlanInfo | undefined;
}

export interface BridgePort {
  /** Isolated ports reach only ports that are not. */
  readonly isolated: boolean;
  readonly hairpin: boolean;
  readonly learning: boolean;
  readonly unicastFlood: boolean;
}

export interface VxlanInfo {
  readonly vni: number;
  readonly port: number;
  /** Source address of the packets; undefined: the route's. */
  readonly local: string | undefined;
  readonly learning: boolean;
  readonly proxy: boolean;
}

/** A namespace's interface index, or its name. */
export type LinkReference = { readonly index: number } | { readonly name: string };

/** What every kind of new link may have. */
export interface LinkOptions {
  /** At most 15 bytes. */
  readonly name: string;
  readonly mtu?: number | undefined;
  readonly mac?: string | undefined;
  readonly up?: boolean | undefined;
  /** Index of a bridge, in the namespace that the link is made in. */
  readonly master?: number | undefined;
  /** Links of a group can be deleted at once: deleteGroup. */
  readonly group?: number | undefined;
  readonly alias?: string | undefined;
}

export interface VethOptions extends LinkOptions {
  /** As a bridge port, reach only ports that are not isolated. */
  readonly isolated?: boolean | undefined;
  /** As a bridge port, send frames back out of the port they came in by. */
  readonly hairpin?: boolean | undefined;
  readonly peer: VethPeerOptions;
}

/** The peer is made down (it cannot be raised before it has a peer itself): setLink raises it, from inside. */
export interface VethPeerOptions {
  readonly name: string;
  readonly mac?: string | undefined;
  readonly mtu?: number | undefined;
  readonly group?: number | undefined;
  /** NetNamespace.fd that the peer is made in; undefined: the socket's. */
  readonly namespaceFd?: number | undefined;
}

export interface BridgeOptions extends LinkOptions {
  /** Off saves the bridge its IGMP and MLD queries. */
  readonly multicastSnooping?: boolean | undefined;
  /** Seconds until a learned address is forgotten; the kernel's default is 300. */
  readonly ageingSeconds?: number | undefined;
}

export interface VxlanOptions extends LinkOptions {
  readonly vni: number;
  /** Source address of the packets. */
  readonly local: string;
  /** UDP port. */
  readonly port: number;
  readonly learning: boolean;
  /** Answer ARP and neighbour solicitations from the device's own neighbour table. */
  readonly proxy: boolean;
  readonly l2miss?: boolean | undefined;
  readonly l3miss?: boolean | undefined;
  /**
   * NetNamespace.fd to put the device in. Its UDP socket stays in the namespace of the RouteSocket, so
   * that packets leave through the node's own interfaces. `master` and `alias` are not allowed with it:
   * set them from inside with setLink.
   */
  readonly namespaceFd?: number | undefined;
}

export interface LinkChange {
  readonly rename?: string | undefined;
  readonly up?: boolean | undefined;
  readonly mtu?: number | undefined;
  readonly mac?: string | undefined;
  /** Index of a bridge; 0 detaches. */
  readonly master?: number | undefined;
  readonly group?: number | undefined;
  readonly alias?: string | undefined;
  /** NetNamespace.fd to move the link to. */
  readonly namespaceFd?: number | undefined;
  /** Of a bridge port. */
  readonly isolated?: boolean | undefined;
  /** Of a bridge port: send frames back out of the port they came in by. */
  readonly hairpin?: boolean | undefined;
}

/** struct ifinfomsg. */
function ifinfomsg(index: number, flags = 0, change = 0): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeInt32LE(index, 4);
  bytes.writeUInt32LE(flags, 8);
  bytes.writeUInt32LE(change, 12);
  return bytes;
}

const upDown = (index: number, up: boolean | undefined): Buffer =>
  up === undefined ? ifinfomsg(index) : ifinfomsg(index, up ? IFF_UP : 0, IFF_UP);

const common = (link: Omit<LinkOptions, 'alias'>): Buffer[] => [
  attribute(IFLA_IFNAME, text(link.name)),
  ...optional(link.mtu, (mtu) => attribute(IFLA_MTU, u32(mtu))),
  ...optional(link.mac, (mac) => attribute(IFLA_ADDRESS, macBytes(mac))),
  ...optional(link.master, (master) => attribute(IFLA_MASTER, u32(master))),
  ...optional(link.group, (group) => attribute(IFLA_GROUP, u32(group))),
];

const kindOf = (kind: string, ...data: readonly Buffer[]): Buffer =>
  nested(IFLA_LINKINFO, attribute(IFLA_INFO_KIND, Buffer.from(kind)), nested(IFLA_INFO_DATA, ...data));

const create = (link: LinkOptions, ...more: readonly Buffer[]): NetlinkRequest =>
  request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, upDown(0, link.up), ...common(link), ...more);

const aliased = (alias: string | undefined): Buffer[] =>
  optional(alias, (value) => attribute(IFLA_IFALIAS, Buffer.from(value)));

type ExistingOnly = Pick<LinkChange, 'alias' | 'isolated' | 'hairpin'>;

/** New links take no alias, and a port's settings need its master to be set before. */
function changeExisting(reference: LinkReference, { alias, isolated, hairpin }: ExistingOnly) {
  const port = [
    ...optional(isolated, (on) => attribute(IFLA_BRPORT_ISOLATED, u8(Number(on)))),
    ...optional(hairpin, (on) => attribute(IFLA_BRPORT_MODE, u8(Number(on)))),
  ];
  if (alias === undefined && port.length === 0) return undefined;
  const slave = [attribute(IFLA_INFO_SLAVE_KIND, Buffer.from('bridge')), nested(IFLA_INFO_SLAVE_DATA, ...port)];
  const settings = port.length === 0 ? [] : [nested(IFLA_LINKINFO, ...slave)];
  return request(RTM_NEWLINK, 0, ...refer(reference), ...aliased(alias), ...settings);
}

const refer = (reference: LinkReference, up?: boolean): Buffer[] =>
  'index' in reference ? [upDown(reference.index, up)] : [upDown(0, up), attribute(IFLA_IFNAME, text(reference.name))];

const nameOf = (reference: LinkReference): string =>
  'index' in reference ? `link ${reference.index}` : `link ${reference.name}`;

/** A veth pair; EEXIST when either name is taken. */
export function newVeth(veth: VethOptions): Operation {
  const { peer } = veth;
  const end = nested(
    VETH_INFO_PEER,
    ifinfomsg(0),
    ...common(peer),
    ...optional(peer.namespaceFd, (fd) => attribute(IFLA_NET_NS_FD, u32(fd))),
  );
  return operation(
    `create veth ${veth.name} with peer ${peer.name}`,
    create(veth, kindOf('veth', end)),
    changeExisting(veth, veth),
  );
}

export function newBridge(bridge: BridgeOptions): Operation {
  const data = [
    ...optional(bridge.multicastSnooping, (on) => attribute(IFLA_BR_MCAST_SNOOPING, u8(Number(on)))),
    // In USER_HZ, 100 a second whatever the kernel's own tick.
    ...optional(bridge.ageingSeconds, (seconds) => attribute(IFLA_BR_AGEING_TIME, u32(seconds * 100))),
  ];
  return operation(
    `create bridge ${bridge.name}`,
    create(bridge, kindOf('bridge', ...data)),
    changeExisting(bridge, { alias: bridge.alias }),
  );
}

/**
 * EEXIST when the VNI is taken on this port in the node's namespace, wherever the device is; also while
 * the namespace that had it is still going away.
 * @throws TypeError for master or alias together with namespaceFd
 */
export function newVxlan(vxlan: VxlanOptions): Operation {
  const elsewhere = vxlan.namespaceFd !== undefined;
  if (elsewhere && (vxlan.master !== undefined || vxlan.alias !== undefined))
    throw new TypeError(`vxlan ${vxlan.name}: master and alias are set from inside the namespace that it is put in`);
  const local = addressBytes(vxlan.local);
  const data = [
    attribute(IFLA_VXLAN_ID, u32(vxlan.vni)),
    attribute(local.length === 4 ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6, local),
    attribute(IFLA_VXLAN_PORT, u16be(vxlan.port)),
    attribute(IFLA_VXLAN_LEARNING, u8(Number(vxlan.learning))),
    attribute(IFLA_VXLAN_PROXY, u8(Number(vxlan.proxy))),
    ...optional(vxlan.l2miss, (on) => attribute(IFLA_VXLAN_L2MISS, u8(Number(on)))),
    ...optional(vxlan.l3miss, (on) => attribute(IFLA_VXLAN_L3MISS, u8(Number(on)))),
  ];
  const place = optional(vxlan.namespaceFd, (fd) => attribute(IFLA_NET_NS_FD, u32(fd)));
  return operation(
    `create vxlan ${vxlan.name} (VNI ${vxlan.vni}, port ${vxlan.port})`,
    create(vxlan, ...place, kindOf('vxlan', ...data)),
    changeExisting(vxlan, { alias: vxlan.alias }),
  );
}

/** A name in `rename` is for a link given by index. */
export function setLink(reference: LinkReference, change: LinkChange): Operation {
  return operation(
    `change ${nameOf(reference)}`,
    request(
      RTM_NEWLINK,
      0,
      ...refer(reference, change.up),
      ...('index' in reference ? optional(change.rename, (name) => attribute(IFLA_IFNAME, text(name))) : []),
      ...optional(change.mtu, (mtu) => attribute(IFLA_MTU, u32(mtu))),
      ...optional(change.mac, (mac) => attribute(IFLA_ADDRESS, macBytes(mac))),
      ...optional(change.master, (master) => attribute(IFLA_MASTER, u32(master))),
      ...optional(change.group, (group) => attribute(IFLA_GROUP, u32(group))),
      ...aliased(change.alias),
      ...optional(change.namespaceFd, (fd) => attribute(IFLA_NET_NS_FD, u32(fd))),
    ),
    changeExisting(reference, { isolated: change.isolated, hairpin: change.hairpin }),
  );
}

/** One delete blocks the caller for 17–20 ms (RCU); see deleteGroup. Deleting either end of a veth deletes both. */
export function deleteLink(reference: LinkReference): Operation {
  return operation(`delete ${nameOf(reference)}`, request(RTM_DELLINK, 0, ...refer(reference)));
}

/** Deletes all links of a group, as slow as a single one. ENODEV when there is none. */
export function deleteGroup(group: number): Operation {
  return operation(
    `delete links of group ${group}`,
    request(RTM_DELLINK, 0, ifinfomsg(0), attribute(IFLA_GROUP, u32(group))),
  );
}

export function linkDump(): NetlinkRequest {
  return request(RTM_GETLINK, NLM_F_DUMP, ifinfomsg(0), attribute(IFLA_EXT_MASK, u32(RTEXT_FILTER_SKIP_STATS)));
}

/** One link by index or name; ENODEV when there is none. */
export function linkQuery(reference: LinkReference): NetlinkRequest {
  return request(RTM_GETLINK, 0, ...refer(reference), attribute(IFLA_EXT_MASK, u32(RTEXT_FILTER_SKIP_STATS)));
}

function bridgePortOf(info: Attributes | undefined): BridgePort | undefined {
  if (info?.text(IFLA_INFO_SLAVE_KIND) !== 'bridge') return undefined;
  const data = info.nested(IFLA_INFO_SLAVE_DATA);
  return {
    isolated: data?.u8(IFLA_BRPORT_ISOLATED) === 1,
    hairpin: data?.u8(IFLA_BRPORT_MODE) === 1,
    learning: data?.u8(IFLA_BRPORT_LEARNING) === 1,
    unicastFlood: data?.u8(IFLA_BRPORT_UNICAST_FLOOD) === 1,
  };
}

function vxlanOf(info: Attributes | undefined): VxlanInfo | undefined {
  if (info?.text(IFLA_INFO_KIND) !== 'vxlan') return undefined;
  const data = info.nested(IFLA_INFO_DATA);
  return {
    vni: data?.u32(IFLA_VXLAN_ID) ?? 0,
    port: data?.u16be(IFLA_VXLAN_PORT) ?? 0,
    local: data?.address(IFLA_VXLAN_LOCAL) ?? data?.address(IFLA_VXLAN_LOCAL6),
    learning: data?.u8(IFLA_VXLAN_LEARNING) === 1,
    proxy: data?.u8(IFLA_VXLAN_PROXY) === 1,
  };
}

/** Of RTM_NEWLINK and RTM_DELLINK. */
export function parseLink({ payload }: NetlinkMessage): Link {
  const flags = payload.readUInt32LE(8);
  const attributes = new Attributes(payload.subarray(16));
  const info = attributes.nested(IFLA_LINKINFO);
  return {
    index: payload.readInt32LE(4),
    name: attributes.text(IFLA_IFNAME) ?? '',
    kind: info?.text(IFLA_INFO_KIND),
    mtu: attributes.u32(IFLA_MTU) ?? 0,
    mac: attributes.mac(IFLA_ADDRESS) ?? '',
    up: (flags & IFF_UP) !== 0,
    running: (flags & IFF_LOWER_UP) !== 0,
    master: attributes.u32(IFLA_MASTER),
    peerIndex: attributes.u32(IFLA_LINK),
    peerNetnsId: attributes.i32(IFLA_LINK_NETNSID),
    group: attributes.u32(IFLA_GROUP) ?? 0,
    alias: attributes.text(IFLA_IFALIAS) ?? '',
    bridgePort: bridgePortOf(info),
    vxlan: vxlanOf(info),
  };
}
