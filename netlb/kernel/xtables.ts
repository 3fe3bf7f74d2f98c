import { readFileSync } from 'node:fs';
import { errnoOf } from '../../lib/errors.js';
import type { NetNamespace } from './namespace.js';

/**
 * Whether the namespace has tables of the iptables of before nftables (iptables-legacy), for IPv4. With rules or without:
 * the kernel makes them when somebody first looks.
 * @throws Error of the file system when the kernel has the file and it cannot be read
 */
export function hasLegacyTables(namespace: NetNamespace): boolean {
  try {
    return namespace.run(() => readFileSync('/proc/thread-self/net/ip_tables_names', 'utf8')) !== '';
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}
