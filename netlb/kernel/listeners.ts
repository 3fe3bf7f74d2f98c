import { closeSync, openSync, readSync } from 'node:fs';
import { errnoOf } from '../../lib/errors.js';
import type { NetNamespace } from './namespace.js';

/** A local socket that takes what comes to a port over IPv4. */
export interface Listener {
  readonly protocol: 'tcp' | 'udp';
  /** Empty: all local addresses. */
  readonly address: string;
  readonly port: number;
}

/** TCP_LISTEN and TCP_CLOSE (net/tcp_states.h); UDP sockets that are not connected have the latter. */
const WAITING = { tcp: '0A', udp: '07' } as const;
const CHUNK = 64 * 1024;

/**
 * The sockets of a namespace that wait for clients, from /proc/net/{tcp,tcp6,udp,udp6}.
 * @throws Error of the file system when a file cannot be read
 */
export function readListeners(namespace: NetNamespace): Listener[] {
  return namespace.run(() =>
    (['tcp', 'udp'] as const).flatMap((protocol) =>
      ['', '6'].flatMap((family) => parseListeners(protocol, linesOf(`/proc/thread-self/net/${protocol}${family}`))),
    ),
  );
}

/**
 * Lines as in proc_net_tcp.rst of the kernel. IPv6 sockets on all addresses take IPv4 too, unless they are set
 * not to, which the file does not tell; those on one IPv6 address are left out. Pure.
 */
export function parseListeners(protocol: Listener['protocol'], lines: Iterable<string>): Listener[] {
  const listeners: Listener[] = [];
  for (const line of lines) {
    const [, local, , state] = line.trim().split(/\s+/);
    if (local === undefined || !local.includes(':')) continue;
    if (state === WAITING[protocol]) {
      const [hex = '', port = ''] = local.split(':');
      const address = ipv4Of(hex);
      if (address !== undefined) listeners.push({ protocol, address, port: Number.parseInt(port, 16) });
    } else if (protocol === 'tcp') break; // All listening sockets come before the connections, which may be many.
  }
  return listeners;
}

const ANY = /^(?:0{8}|0{32}|0{16}F{4}0{12})$/;

/** @param hex 32-bit words of an address in the byte order of a little-endian machine */
function ipv4Of(hex: string): string | undefined {
  if (ANY.test(hex)) return '';
  const word = hex.length === 8 ? hex : /^0{16}F{4}0{4}([0-9A-F]{8})$/.exec(hex)?.[1];
  return word && [...Buffer.from(word, 'hex')].reverse().join('.');
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
