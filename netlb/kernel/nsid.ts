/** What a namespace calls another one: RTM_*NSID (linux/net_namespace.h). Pure. */
import { Attributes, attribute, u32 } from './attributes.js';
import { AF_UNSPEC } from './families.js';
import { type NetlinkMessage, type NetlinkRequest, request } from './messages.js';

const RTM_NEWNSID = 88;
const RTM_GETNSID = 90;
const NETNSA_NSID = 1;
const NETNSA_FD = 3;
/** struct rtgenmsg, padded. */
const HEADER = 4;
/** NETNSA_NSID_NOT_ASSIGNED: as a request, any that is free. */
const ANY = 0xffff_ffff;

/** Gives another namespace a number. EEXIST when it has one. @param fd of the other namespace */
export function newNamespaceId(fd: number): NetlinkRequest {
  const header = Buffer.alloc(HEADER);
  header[0] = AF_UNSPEC;
  return request(RTM_NEWNSID, 0, header, attribute(NETNSA_NSID, u32(ANY)), attribute(NETNSA_FD, u32(fd)));
}

/** @param fd of the other namespace */
export function namespaceIdQuery(fd: number): NetlinkRequest {
  const header = Buffer.alloc(HEADER);
  header[0] = AF_UNSPEC;
  return request(RTM_GETNSID, 0, header, attribute(NETNSA_FD, u32(fd)));
}

/** @returns undefined when it has no number there: no link leads to it */
export function parseNamespaceId({ payload }: NetlinkMessage): number | undefined {
  const id = new Attributes(payload.subarray(HEADER)).i32(NETNSA_NSID) ?? -1;
  return id < 0 ? undefined : id;
}
