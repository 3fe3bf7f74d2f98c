import { closeSync, openSync, readSync } from 'node:fs';
import { errnoOf } from '../../lib/errors.js';
import { addressText } from './attributes.js';
import type { NetNamespace } from './namespace.js';

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
const CHUNK = 64 * 1024;

/**
 * The sockets of a namespace that wait for clients, from /proc/net/{tcp,tcp6,udp,udp6}.
 * @throws Error of the file system when a file cannot be read
 */
export function readListeners(namespace: NetNamespace): ListeningSocket[] {
  return namespace.run(() =>
    (['tcp', 'udp'] as const).flatMap((protocol) =>
      ['', '6'].flatMap((family) => parseListeners(protocol, linesOf(`/proc/thread-self/net/${protocol}${family}`))),
    ),
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
      for (const place of placesOf(hex))
        listeners.push({ protocol, ...place, port: Number.parseInt(port, 16), inode: Number(inode) });
    } else if (protocol === 'tcp') break; // All listening sockets come before the connections, which may be many.
  }
  return listeners;
}

/** @param hex 32-bit words of an address in the byte order of a little-endian machine */
function placesOf(hex: string): Pick<Listener, 'family' | 'address'>[] {
  if (/^0{32}$/.test(hex)) return FAMILIES.map((family) => ({ family, address: '' }));
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) => [...Buffer.from(word, 'hex')].reverse());
  // An IPv4 address in an IPv6 socket is ::ffff: and the four bytes.
  const v4 = hex.length === 8 || /^0{16}F{4}0{4}/.test(hex) ? bytes.slice(-4) : undefined;
  if (v4) return [{ family: 4, address: v4.every((byte) => byte === 0) ? '' : v4.join('.') }];
  return [{ family: 6, address: addressText(Buffer.from(bytes)) }];
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
