import { type NetlinkRequest, request } from './messages.js';

/** Subsystems of linux/netfilter/nfnetlink.h. */
export const NFNL_SUBSYS_CTNETLINK = 1;
export const NFNL_SUBSYS_NFTABLES = 10;

/** Bytes of struct nfgenmsg, before the attributes. */
export const NFGENMSG = 4;

/** A netfilter message: the subsystem is the type's upper byte, struct nfgenmsg comes first. */
export function nfRequest(
  subsystem: number,
  type: number,
  flags: number,
  family: number,
  ...attributes: readonly Buffer[]
): NetlinkRequest {
  return request((subsystem << 8) | type, flags, Buffer.of(family, 0, 0, 0), ...attributes);
}
