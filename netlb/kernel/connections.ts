/** How many connections last, through ctnetlink (linux/netfilter/nfnetlink_conntrack.h). */
import type { Steps } from '../../lib/steps.js';
import { addressText } from './attributes.js';
import {
  CTA_IP_V4_SRC,
  CTA_IP_V6_SRC,
  CTA_PROTO_DST_PORT,
  CTA_PROTO_NUM,
  CTA_PROTOINFO,
  CTA_PROTOINFO_TCP,
  CTA_PROTOINFO_TCP_STATE,
  CTA_TUPLE_IP,
  CTA_TUPLE_ORIG,
  CTA_TUPLE_PROTO,
  CTA_TUPLE_REPLY,
  IPCTNL_MSG_CT_GET,
} from './ctnetlink.js';
import { familyNumber } from './families.js';
import { type NetlinkMessage, NLM_F_DUMP } from './messages.js';
import type { NetNamespace } from './namespace.js';
import { NETLINK_NETFILTER, NetlinkSocket } from './netlink.js';
import { NFGENMSG, NFNL_SUBSYS_CTNETLINK, nfRequest } from './nfnetlink.js';

const IPPROTO_TCP = 6;
/** linux/netfilter/nf_conntrack_tcp.h */
const TCP_CONNTRACK_ESTABLISHED = 3;
const NLA_TYPE_MASK = 0x3fff;

/** `6 . 8080 . 10.0.0.11`: protocol, the port that the client sent to, and who answers. */
export type ConnectionKey = string;

/**
 * Connections of one family that a namespace tracks: of TCP those that are established, of other protocols all. To
 * be interrupted: there may be a hundred thousand.
 */
export function* countConnections(namespace: NetNamespace, family: 4 | 6): Steps<ReadonlyMap<ConnectionKey, number>> {
  const counts = new Map<ConnectionKey, number>();
  const socket = new NetlinkSocket({ namespace, protocol: NETLINK_NETFILTER });
  try {
    const dump = nfRequest(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET, NLM_F_DUMP, familyNumber(family));
    for (const messages of socket.dumpParts(dump, 'count tracked connections')) {
      for (const message of messages) {
        const key = keyOf(message);
        if (key !== undefined) counts.set(key, (counts.get(key) ?? 0) + 1);
      }
      yield;
    }
  } finally {
    socket.close();
  }
  return counts;
}

function keyOf({ payload }: NetlinkMessage): ConnectionKey | undefined {
  const message = payload.subarray(NFGENMSG);
  const original = find(find(message, CTA_TUPLE_ORIG), CTA_TUPLE_PROTO);
  const protocol = find(original, CTA_PROTO_NUM)?.readUInt8(0);
  const port = find(original, CTA_PROTO_DST_PORT)?.readUInt16BE(0);
  const reply = find(find(message, CTA_TUPLE_REPLY), CTA_TUPLE_IP);
  const answerer = find(reply, CTA_IP_V4_SRC) ?? find(reply, CTA_IP_V6_SRC);
  if (protocol === undefined || port === undefined || !answerer) return undefined;
  if (protocol === IPPROTO_TCP) {
    const state = find(find(find(message, CTA_PROTOINFO), CTA_PROTOINFO_TCP), CTA_PROTOINFO_TCP_STATE);
    if (state?.readUInt8(0) !== TCP_CONNTRACK_ESTABLISHED) return undefined;
  }
  return `${protocol} . ${port} . ${addressText(answerer)}`;
}

/** The value of one attribute. Nothing is made of the others, for these messages are many. */
function find(attributes: Buffer | undefined, wanted: number): Buffer | undefined {
  for (let offset = 0; attributes && offset + 4 <= attributes.length; ) {
    const length = attributes.readUInt16LE(offset);
    if (length < 4) return undefined;
    if ((attributes.readUInt16LE(offset + 2) & NLA_TYPE_MASK) === wanted)
      return attributes.subarray(offset + 4, offset + length);
    offset += (length + 3) & ~3;
  }
  return undefined;
}
