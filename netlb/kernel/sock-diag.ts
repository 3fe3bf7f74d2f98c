/** Sockets as the kernel lists them to ss(8): linux/sock_diag.h, linux/inet_diag.h. */
import { Attributes } from './attributes.js';
import { isKernelError } from './errors.js';
import { type NetlinkMessage, NLM_F_DUMP, request } from './messages.js';
import type { NetNamespace } from './namespace.js';
import { NetlinkSocket } from './netlink.js';

const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const IPPROTO_TCP = 6;
/** Values of net/tcp_states.h and sys/socket.h. */
const TCP_LISTEN = 10;
const FAMILIES = { AF_INET: 2, AF_INET6: 10 } as const;

/** struct inet_diag_req_v2: family, protocol, extensions, padding, states as bits; then any socket's id, of 48 bytes. */
function listenerDump(family: number) {
  const query = Buffer.alloc(56);
  query.writeUInt8(family, 0);
  query.writeUInt8(IPPROTO_TCP, 1);
  query.writeUInt32LE(1 << TCP_LISTEN, 4);
  return request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, query);
}

/** Bytes of struct inet_diag_msg, before the attributes. */
const INET_DIAG_MSG = 72;
const INET_DIAG_SKV6ONLY = 11;

export interface DiagSocket {
  /** Four bytes, or sixteen of an IPv6 socket. */
  readonly address: Buffer;
  readonly port: number;
  /** It takes no IPv4, where it might. */
  readonly only6: boolean;
  readonly inode: number;
}

/** The port is at 4, the address at 8, the inode at 68. */
const parseDiag = ({ payload }: NetlinkMessage): DiagSocket => ({
  address: payload.subarray(8, payload[0] === FAMILIES.AF_INET ? 12 : 24),
  port: payload.readUInt16BE(4),
  only6: new Attributes(payload.subarray(INET_DIAG_MSG)).u8(INET_DIAG_SKV6ONLY) === 1,
  inode: payload.readUInt32LE(68),
});

/**
 * TCP sockets that wait for clients, of both families.
 * @returns undefined when the kernel has no inet_diag for TCP
 * @throws KernelError
 */
export function listTcpListeners(namespace: NetNamespace): DiagSocket[] | undefined {
  let socket: NetlinkSocket | undefined;
  try {
    socket = new NetlinkSocket({ namespace, protocol: NETLINK_SOCK_DIAG });
    const dumps = Object.values(FAMILIES).map(
      (family) => socket?.dump(listenerDump(family), 'list TCP listeners') ?? [],
    );
    return dumps.flat().map(parseDiag);
  } catch (error) {
    // Without the one, without the other.
    if (isKernelError(error, 'EPROTONOSUPPORT', 'ENOENT')) return undefined;
    throw error;
  } finally {
    socket?.close();
  }
}
