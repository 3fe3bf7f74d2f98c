/** RTM_GETROUTE for one packet: the kernel's own choice (linux/rtnetlink.h). Pure. */

import { familyOf } from '../../lib/ip.js';
import { Attributes, addressBytes, attribute, u32 } from '../kernel/attributes.js';
import { familyNumber } from '../kernel/families.js';
import { type NetlinkMessage, type NetlinkRequest, request } from '../kernel/messages.js';
import { routeTypes } from '../kernel/routes.js';
import type { RouteAnswer, RouteQuestion } from './queries.js';

const RTM_GETROUTE = 26;
const RTM_F_LOOKUP_TABLE = 0x1000;
const RTA_DST = 1;
const RTA_SRC = 2;
const RTA_IIF = 3;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PREFSRC = 7;
const RTA_METRICS = 8;
const RTA_TABLE = 15;
const RTA_MARK = 16;
const RTAX_MTU = 2;

/** @param inputIndex of the interface that the packet came in by; undefined: it is sent from here */
export function routeLookup(
  { destination, source, mark }: RouteQuestion,
  inputIndex: number | undefined,
): NetlinkRequest {
  const family = familyOf(destination);
  const bits = family === 4 ? 32 : 128;
  const header = Buffer.alloc(12);
  header[0] = familyNumber(family);
  header[1] = bits;
  header[2] = source === '' ? 0 : bits;
  // IPv6 says the table unasked, and refuses the flag.
  header.writeUInt32LE(family === 4 ? RTM_F_LOOKUP_TABLE : 0, 8);
  return request(
    RTM_GETROUTE,
    0,
    header,
    attribute(RTA_DST, addressBytes(destination)),
    ...(source === '' ? [] : [attribute(RTA_SRC, addressBytes(source))]),
    ...(inputIndex === undefined ? [] : [attribute(RTA_IIF, u32(inputIndex))]),
    ...(mark === 0 ? [] : [attribute(RTA_MARK, u32(mark))]),
  );
}

export function parseRouteLookup({ payload }: NetlinkMessage): RouteAnswer {
  const attributes = new Attributes(payload.subarray(12));
  const type = payload.readUInt8(7);
  return {
    found: true,
    type:
      type === routeTypes.unicast
        ? 'unicast'
        : type === routeTypes.local
          ? 'local'
          : type === routeTypes.broadcast
            ? 'broadcast'
            : 'other',
    table: attributes.u32(RTA_TABLE) ?? payload.readUInt8(4),
    index: attributes.u32(RTA_OIF) ?? 0,
    via: attributes.address(RTA_GATEWAY),
    source: attributes.address(RTA_PREFSRC),
    mtu: attributes.nested(RTA_METRICS)?.u32(RTAX_MTU),
  };
}
