/** Interface addresses: RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR (linux/if_addr.h). Pure. */
import { Attributes, addressBytes, attribute, optional, text, u32 } from './attributes.js';
import { familyNumber, splitCidr } from './families.js';
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

export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
const RTM_GETADDR = 22;

const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_LABEL = 3;
const IFA_BROADCAST = 4;
const IFA_FLAGS = 8;

const IFA_F_NODAD = 0x02;
const IFA_F_TENTATIVE = 0x40;
const IFA_F_NOPREFIXROUTE = 0x200;

/** An address of an interface, as the kernel shows it. */
export interface InterfaceAddress {
  readonly index: number;
  readonly family: 4 | 6;
  /** The address with its prefix: "10.0.1.5/24". */
  readonly cidr: string;
  /** 0 global, 253 link, 254 host. */
  readonly scope: number;
  readonly noPrefixRoute: boolean;
  /** IPv6: duplicate address detection has not finished. */
  readonly tentative: boolean;
}

export interface AddressOptions {
  /** Of the interface. */
  readonly index: number;
  /** The address with its prefix: "10.0.1.5/24". */
  readonly cidr: string;
  /** Without the route to the subnet that the kernel adds otherwise. */
  readonly noPrefixRoute?: boolean | undefined;
  readonly broadcast?: string | undefined;
  readonly label?: string | undefined;
  /** Fine when the interface has it already; EEXIST otherwise. */
  readonly replace?: boolean | undefined;
}

function payload({ index, cidr, noPrefixRoute, broadcast, label }: AddressOptions): Buffer[] {
  const { family, address, prefix } = splitCidr(cidr);
  const header = Buffer.alloc(8);
  header[0] = familyNumber(family);
  header[1] = prefix;
  header.writeUInt32LE(index, 4);
  const bytes = addressBytes(address);
  // An address that we allot is unique: waiting for duplicate detection would only delay IPv6.
  const flags = (noPrefixRoute ? IFA_F_NOPREFIXROUTE : 0) | (family === 6 ? IFA_F_NODAD : 0);
  return [
    header,
    attribute(IFA_LOCAL, bytes),
    attribute(IFA_ADDRESS, bytes),
    ...(flags === 0 ? [] : [attribute(IFA_FLAGS, u32(flags))]),
    ...optional(broadcast, (value) => attribute(IFA_BROADCAST, addressBytes(value))),
    ...optional(label, (value) => attribute(IFA_LABEL, text(value))),
  ];
}

/** IPv6 addresses are usable at once: no duplicate address detection. */
export function newAddress(options: AddressOptions): Operation {
  return operation(
    `add address ${options.cidr} to link ${options.index}`,
    request(RTM_NEWADDR, NLM_F_CREATE | (options.replace ? NLM_F_REPLACE : NLM_F_EXCL), ...payload(options)),
  );
}

/** EADDRNOTAVAIL when the interface does not have it. */
export function deleteAddress(options: Pick<AddressOptions, 'index' | 'cidr'>): Operation {
  const { index, cidr } = options;
  return operation(`delete address ${cidr} of link ${index}`, request(RTM_DELADDR, 0, ...payload({ index, cidr })));
}

export function addressDump(): NetlinkRequest {
  return request(RTM_GETADDR, NLM_F_DUMP, Buffer.alloc(8));
}

/** Of RTM_NEWADDR and RTM_DELADDR. */
export function parseAddressMessage({ payload }: NetlinkMessage): InterfaceAddress {
  const attributes = new Attributes(payload.subarray(8));
  const flags = attributes.u32(IFA_FLAGS) ?? payload.readUInt8(2);
  return {
    index: payload.readUInt32LE(4),
    family: payload[0] === familyNumber(4) ? 4 : 6,
    cidr: `${attributes.address(IFA_LOCAL) ?? attributes.address(IFA_ADDRESS) ?? ''}/${payload.readUInt8(1)}`,
    scope: payload.readUInt8(3),
    noPrefixRoute: (flags & IFA_F_NOPREFIXROUTE) !== 0,
    tentative: (flags & IFA_F_TENTATIVE) !== 0,
  };
}
