import { readFileSync } from 'node:fs';
import { errnoOf } from '../../lib/errors.js';
import type { NetNamespace } from './namespace.js';

/** Inodes of the UDP sockets of a namespace that have a port: links in /proc/<pid>/fd tell whose they are. */
export function udpSockets(namespace: NetNamespace, port: number): number[] {
  const tables = namespace.run(() => ['udp', 'udp6'].map((name) => readTable(`/proc/thread-self/net/${name}`)));
  return tables.flatMap((table) => parseUdpSockets(table, port));
}

/** As in proc_net_tcp.rst of the kernel. Pure. */
export function parseUdpSockets(table: string, port: number): number[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return table
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(suffix))
    .map((fields) => Number(fields[9]));
}

function readTable(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    // A kernel without IPv6.
    if (errnoOf(error) === 'ENOENT') return '';
    throw error;
  }
}
