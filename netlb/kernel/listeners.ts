import { closeSync, openSync, readSync } from 'node:fs';
import { errnoOf } from '../../lib/errors.js';
import { addressText } from './attributes.js';
import type { NetNamespace } from './namespace.js';
import { listTcpListeners } from './sock-diag.js';

/** A local socket that takes what comes to a port over one family; one for both is two of these. */
export interface Listener {
  readonly protocol: 'tcp' | 'udp';
  readonly family: 4 | 6;
  /** Empty: all local addresses of the family. */
  readonly address: string;
  readonly port: number;
  /** Which process has it, where that was looked for: "nginx (pid 812)". */
  readonly owner?: string;
}

export interface ListeningSocket extends Listener {
  /** No two of one machine have the same. */
  readonly inode: number;
}

/** TCP_LISTEN and TCP_CLOSE (net/tcp_states.h); UDP sockets that are not connected have the latter. */
const WAITING = { tcp: '0A', udp: '07' } as const;
const FAMILIES = [4, 6] as const;
const MAPPED = Buffer.from('00000000000000000000ffff', 'hex');
const CHUNK = 64 * 1024;

/**
 * The sockets of a namespace that wait for clients. Those of TCP by inet_diag: /proc/net/tcp has the connections too, for
 * which the kernel goes through the table of all namespaces, of hundreds of thousands of buckets. By that file where the kernel
 * has no inet_diag; those of UDP from /proc/net/{udp,udp6}.
 * @throws KernelError, Error of the file system when a file cannot be read
 */
export function readListeners(namespace: NetNamespace): ListeningSocket[] {
  const tcp = listenersByDiag(namespace) ?? listenersByFile(namespace, 'tcp');
  return [...tcp, ...listenersByFile(namespace, 'udp')];
}

/** TCP's; undefined when the kernel has no inet_diag. @throws KernelError */
export const listenersByDiag = (namespace: NetNamespace): ListeningSocket[] | undefined =>
  listTcpListeners(namespace)?.flatMap(({ address, port, only6, inode }) =>
    placesOf(address, only6).map((place) => ({ protocol: 'tcp', ...place, port, inode })),
  );

/** From /proc/net/{tcp,tcp6} or {udp,udp6}. @throws Error of the file system when a file cannot be read */
export function listenersByFile(namespace: NetNamespace, protocol: Listener['protocol']): ListeningSocket[] {
  return namespace.run(() =>
    ['', '6'].flatMap((family) => parseListeners(protocol, linesOf(`/proc/thread-self/net/${protocol}${family}`))),
  );
}

/**
 * Lines as in proc_net_tcp.rst of the kernel. IPv6 sockets on all addresses take IPv4 too, unless they are set
 * not to, which the file does not tell. Pure.
 */
export function parseListeners(protocol: Listener['protocol'], lines: Iterable<string>): ListeningSocket[] {
  const listeners: ListeningSocket[] = [];
  for (const line of lines) {
    const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
    if (local === undefined || !local.includes(':')) continue;
    if (state === WAITING[protocol]) {
      const [hex = '', port = ''] = local.split(':');
      for (const place of placesOf(bytesOf(hex)))
        listeners.push({ protocol, ...place, port: Number.parseInt(port, 16), inode: Number(inode) });
    } else if (protocol === 'tcp') break; // All listening sockets come before the connections, which may be many.
  }
  return listeners;
}

/** @param hex 32-bit words of an address in the byte order of a little-endian machine */
const bytesOf = (hex: string): Buffer =>
  Buffer.from((hex.match(/.{8}/g) ?? []).flatMap((word) => [...Buffer.from(word, 'hex')].reverse()));

/**
 * On which addresses a socket waits that is bound to one.
 * @param bytes four or sixteen
 * @param only6 it takes no IPv4, where it might
 */
function placesOf(bytes: Buffer, only6 = false): Pick<Listener, 'family' | 'address'>[] {
  if (bytes.every((byte) => byte === 0)) {
    const all = bytes.length === 4 ? [4 as const] : only6 ? [6 as const] : FAMILIES;
    return all.map((family) => ({ family, address: '' }));
  }
  // An IPv4 address in an IPv6 socket is ::ffff: and the four bytes.
  const isMapped = bytes.subarray(0, 12).equals(MAPPED);
  if (bytes.length === 4 || isMapped) return [{ family: 4, address: bytes.subarray(-4).join('.') }];
  return [{ family: 6, address: addressText(bytes) }];
}

/** The lines of a file, read as far as they are asked for; none when there is no such file (no IPv6). */
function* linesOf(path: string): Generator<string> {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw error;
  }
  try {
    const buffer = Buffer.alloc(CHUNK);
    let rest = '';
    for (;;) {
      const length = readSync(file, buffer);
      if (length === 0) break;
      const lines = (rest + buffer.toString('latin1', 0, length)).split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
    if (rest !== '') yield rest;
  } finally {
    closeSync(file);
  }
}
