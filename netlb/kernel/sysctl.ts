import { readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { errnoOf } from '../../lib/errors.js';
import { KernelError } from './errors.js';
import type { NetNamespace } from './namespace.js';
import { errorWords } from './syscalls.js';

/**
 * The file of a setting. As in sysctl(8): whichever of "." and "/" comes first separates, and the other
 * is part of a name's text with dots: "net.ipv4.conf.eth0/100.rp_filter" and
 * "net/ipv4/conf/eth0.100/rp_filter" are the same.
 */
export function sysctlPath(key: string): string {
  const separator = /[./]/.exec(key)?.[0];
  const path = separator === '.' ? key.replace(/[./]/g, (sign) => (sign === '.' ? '/' : '.')) : key;
  return `/proc/sys/${path}`;
}

function access<T>(operation: string, fn: () => T): T {
  try {
    return fn();
  } catch (error) {
    const errno = (constants.errno as Record<string, number>)[errnoOf(error) ?? ''];
    if (errno === undefined) throw error;
    throw new KernelError(operation, { errno, words: errorWords(errno) });
  }
}

/**
 * A setting of the namespace (of the machine, for what is not under net.).
 * @returns undefined when the kernel does not have it
 * @throws KernelError
 */
export function readSysctl(namespace: NetNamespace, key: string): string | undefined {
  const path = sysctlPath(key);
  try {
    return access(`read sysctl ${key}`, () => namespace.run(() => readFileSync(path, 'utf8'))).trim();
  } catch (error) {
    if (error instanceof KernelError && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** @throws KernelError ENOENT when the kernel does not have it, EINVAL when it does not take the value */
export function writeSysctl(namespace: NetNamespace, key: string, value: string | number): void {
  access(`set sysctl ${key} to ${value}`, () => namespace.run(() => writeFileSync(sysctlPath(key), `${value}\n`)));
}
