/** Which namespace a link's other end is in: RTM_GETNSID (linux/net_namespace.h). Pure but for the socket's question. */
import { Attributes, attribute, u32 } from '../kernel/attributes.js';
import { type NetlinkMessage, type NetlinkRequest, request } from '../kernel/messages.js';

const RTM_GETNSID = 90;
const NETNSA_NSID = 1;
const NETNSA_FD = 3;

/** This namespace's number for the one behind a descriptor. */
export const namespaceIdQuery = (fd: number): NetlinkRequest =>
  request(RTM_GETNSID, 0, Buffer.alloc(4), attribute(NETNSA_FD, u32(fd)));

/** Undefined: it has none, so no link of this namespace ends there. */
export function parseNamespaceId({ payload }: NetlinkMessage): number | undefined {
  const id = new Attributes(payload.subarray(4)).i32(NETNSA_NSID);
  return id === undefined || id < 0 ? undefined : id;
}
