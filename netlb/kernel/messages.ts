/** Netlink messages (linux/netlink.h): a 16-byte header and a payload, aligned to 4 bytes. Pure. */
import { Attributes } from './attributes.js';

const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_DUMP = 0x300;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;
/** In an error message: the request's payload is left out. */
const NLM_F_CAPPED = 0x100;
/** In an error message: attributes with the kernel's own words follow. */
const NLM_F_ACK_TLVS = 0x200;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

const HEADER = 16;
const NLMSGERR_ATTR_MSG = 1;

/** A request without its header's sequence number and length. */
export interface NetlinkRequest {
  readonly type: number;
  /** Without NLM_F_REQUEST and NLM_F_ACK, which the socket adds. */
  readonly flags: number;
  readonly payload: Buffer;
}

export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly payload: Buffer;
}

/** What an error message says; errno 0 is an acknowledgement. */
export interface Acknowledgement {
  readonly errno: number;
  /** The kernel's extended acknowledgement; empty when there is none. */
  readonly detail: string;
}

export function request(type: number, flags: number, ...parts: readonly Buffer[]): NetlinkRequest {
  return { type, flags, payload: Buffer.concat(parts) };
}

export function encodeMessage({ type, flags, payload }: NetlinkRequest, sequence: number): Buffer {
  const length = HEADER + payload.length;
  const bytes = Buffer.alloc((length + 3) & ~3);
  bytes.writeUInt32LE(length, 0);
  bytes.writeUInt16LE(type, 4);
  bytes.writeUInt16LE(flags | NLM_F_REQUEST, 6);
  bytes.writeUInt32LE(sequence, 8);
  payload.copy(bytes, HEADER);
  return bytes;
}

/**
 * All messages of a datagram. Payloads are views of `datagram`.
 * @param cutOff the last may be longer than the datagram: what there is of it counts
 */
export function decodeMessages(
  datagram: Buffer,
  { cutOff = false }: { readonly cutOff?: boolean } = {},
): NetlinkMessage[] {
  const messages: NetlinkMessage[] = [];
  let offset = 0;
  while (offset + HEADER <= datagram.length) {
    const length = datagram.readUInt32LE(offset);
    if (length < HEADER || (offset + length > datagram.length && !cutOff)) break;
    messages.push({
      type: datagram.readUInt16LE(offset + 4),
      flags: datagram.readUInt16LE(offset + 6),
      sequence: datagram.readUInt32LE(offset + 8),
      payload: datagram.subarray(offset + HEADER, offset + length),
    });
    offset += (length + 3) & ~3;
  }
  return messages;
}

/** Reads the payload of NLMSG_ERROR, or of NLMSG_DONE, which ends a dump with the same errno and words. */
export function decodeAcknowledgement({ type, flags, payload }: NetlinkMessage): Acknowledgement {
  const errno = payload.length >= 4 ? Math.abs(payload.readInt32LE(0)) : 0;
  if (!(flags & NLM_F_ACK_TLVS)) return { errno, detail: '' };
  let attributes = 4;
  if (type === NLMSG_ERROR) {
    const request = flags & NLM_F_CAPPED ? HEADER : (payload.readUInt32LE(4) + 3) & ~3;
    attributes += request;
  }
  return { errno, detail: new Attributes(payload.subarray(attributes)).text(NLMSGERR_ATTR_MSG) ?? '' };
}
