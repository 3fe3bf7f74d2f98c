/** Neighbours (ARP, NDP) and forwarding databases (FDB): RTM_*NEIGH (linux/neighbour.h). Pure. */
import { familyOf } from '../../lib/ip.js';
import { Attributes, addressBytes, attribute, macBytes, optional, u16, u32 } from './attributes.js';
import { AF_BRIDGE, AF_UNSPEC, familyNumber } from './families.js';
import {
  type NetlinkMessage,
  type NetlinkRequest,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_REPLACE,
  request,
} from './messages.js';
import { type Operation, operation } from './operation.js';

export const RTM_NEWNEIGH = 28;
export const RTM_DELNEIGH = 29;
export const RTM_GETNEIGH = 30;

const NUD_REACHABLE = 0x02;
export const NUD_NOARP = 0x40;
export const NUD_PERMANENT = 0x80;

const NTF_SELF = 0x02;
const NTF_MASTER = 0x04;

const NDA_DST = 1;
const NDA_LLADDR = 2;
const NDA_VLAN = 5;
const NDA_IFINDEX = 8;
const NDA_MASTER = 9;

/** Of a VXLAN device's entry for addresses that it has no entry for. */
export const NO_MAC = '00:00:00:00:00:00';

/** An entry of an ARP or NDP table, as the kernel shows it. */
export interface Neighbour {
  readonly index: number;
  readonly family: 4 | 6;
  readonly address: string;
  /** Empty while it is not known. */
  readonly mac: string;
  /** NUD_* bits. */
  readonly state: number;
  readonly permanent: boolean;
}

export interface NeighbourOptions {
  readonly index: number;
  readonly address: string;
  readonly mac: string;
}

/** An entry of a bridge's or a VXLAN device's forwarding database, as the kernel shows it. */
export interface FdbEntry {
  /** Of the VXLAN device or the bridge port. */
  readonly index: number;
  readonly mac: string;
  /** The remote tunnel endpoint's address: set in the database of a VXLAN device. */
  readonly vtep: string | undefined;
  /** Index of the bridge whose database it is in; undefined: the device's own. */
  readonly master: number | undefined;
  readonly permanent: boolean;
  /** Set by hand, neither learned nor forgotten. */
  readonly static: boolean;
  readonly vlan: number | undefined;
}

/** Of a VXLAN device: where frames to `mac` go. */
export interface VtepFdbOptions {
  readonly index: number;
  /** 00:00:00:00:00:00: where frames to unknown addresses go; may be given several endpoints. */
  readonly mac: string;
  readonly vtep: string;
  /** One endpoint more for the same MAC, in place of the change of the one there. */
  readonly append?: boolean | undefined;
}

/** Of the bridge that link `index` is a port of. */
export interface PortFdbOptions {
  readonly index: number;
  readonly mac: string;
  readonly vlan?: number | undefined;
}

export type FdbOptions = VtepFdbOptions | PortFdbOptions;

/** struct ndmsg. */
function ndmsg(family: number, index: number, state: number, flags: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes[0] = family;
  bytes.writeInt32LE(index, 4);
  bytes.writeUInt16LE(state, 8);
  bytes[10] = flags;
  return bytes;
}

/** A permanent entry; takes the place of the one there. */
export function newNeighbour({ index, address, mac }: NeighbourOptions): Operation {
  return operation(
    `add neighbour ${address} (${mac}) on link ${index}`,
    request(
      RTM_NEWNEIGH,
      NLM_F_CREATE | NLM_F_REPLACE,
      ndmsg(familyNumber(familyOf(address)), index, NUD_PERMANENT, 0),
      attribute(NDA_DST, addressBytes(address)),
      attribute(NDA_LLADDR, macBytes(mac)),
    ),
  );
}

/** ENOENT when there is none. */
export function deleteNeighbour({ index, address }: Pick<NeighbourOptions, 'index' | 'address'>): Operation {
  return operation(
    `delete neighbour ${address} on link ${index}`,
    request(
      RTM_DELNEIGH,
      0,
      ndmsg(familyNumber(familyOf(address)), index, 0, 0),
      attribute(NDA_DST, addressBytes(address)),
    ),
  );
}

function fdbPayload(entry: FdbOptions): Buffer[] {
  if ('vtep' in entry) {
    return [
      ndmsg(AF_BRIDGE, entry.index, NUD_PERMANENT | NUD_NOARP, NTF_SELF),
      attribute(NDA_DST, addressBytes(entry.vtep)),
      attribute(NDA_LLADDR, macBytes(entry.mac)),
    ];
  }
  return [
    ndmsg(AF_BRIDGE, entry.index, NUD_REACHABLE | NUD_NOARP, NTF_MASTER),
    attribute(NDA_LLADDR, macBytes(entry.mac)),
    ...optional(entry.vlan, (vlan) => attribute(NDA_VLAN, u16(vlan))),
  ];
}

const fdbSummary = (verb: string, entry: FdbOptions): string =>
  `${verb} forwarding entry ${entry.mac} ${'vtep' in entry ? `to ${entry.vtep} ` : ''}on link ${entry.index}`;

/** A permanent entry of a VXLAN device, or a static one of a bridge; takes the place of the one there. */
export function newFdb(entry: FdbOptions): Operation {
  const append = 'vtep' in entry && entry.append === true;
  return operation(
    fdbSummary('add', entry),
    request(RTM_NEWNEIGH, NLM_F_CREATE | (append ? NLM_F_APPEND : NLM_F_REPLACE), ...fdbPayload(entry)),
  );
}

/** ENOENT when there is none. */
export function deleteFdb(entry: FdbOptions): Operation {
  return operation(fdbSummary('delete', entry), request(RTM_DELNEIGH, 0, ...fdbPayload(entry)));
}

const byIndex = (index: number | undefined): Buffer[] => optional(index, (value) => attribute(NDA_IFINDEX, u32(value)));

export function neighbourDump(index?: number): NetlinkRequest {
  return request(RTM_GETNEIGH, NLM_F_DUMP, ndmsg(AF_UNSPEC, 0, 0, 0), ...byIndex(index));
}

export function fdbDump(index?: number): NetlinkRequest {
  return request(RTM_GETNEIGH, NLM_F_DUMP, ndmsg(AF_BRIDGE, 0, 0, 0), ...byIndex(index));
}

/** @returns undefined for other families */
export function parseNeighbour({ payload }: NetlinkMessage): Neighbour | undefined {
  const family = payload[0] === familyNumber(4) ? 4 : payload[0] === familyNumber(6) ? 6 : undefined;
  if (family === undefined) return undefined;
  const attributes = new Attributes(payload.subarray(12));
  const state = payload.readUInt16LE(8);
  return {
    index: payload.readInt32LE(4),
    family,
    address: attributes.address(NDA_DST) ?? '',
    mac: attributes.mac(NDA_LLADDR) ?? '',
    state,
    permanent: (state & NUD_PERMANENT) !== 0,
  };
}

/** @returns undefined for what is no entry of a forwarding database */
export function parseFdb({ payload }: NetlinkMessage): FdbEntry | undefined {
  if (payload[0] !== AF_BRIDGE) return undefined;
  const attributes = new Attributes(payload.subarray(12));
  const state = payload.readUInt16LE(8);
  return {
    index: payload.readInt32LE(4),
    mac: attributes.mac(NDA_LLADDR) ?? '',
    vtep: attributes.address(NDA_DST),
    master: payload.readUInt8(10) & NTF_SELF ? undefined : attributes.u32(NDA_MASTER),
    permanent: (state & NUD_PERMANENT) !== 0,
    static: (state & NUD_NOARP) !== 0,
    vlan: attributes.u16(NDA_VLAN),
  };
}
