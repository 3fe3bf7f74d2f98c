/** All network namespaces that can be seen from here, whoever made them. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Slices } from '../../lib/slices.js';
import { isKernelError } from '../kernel/errors.js';
import { NetNamespace } from '../kernel/namespace.js';

export interface SeenNamespace {
  readonly path: string;
  /** "/run/netns/vpn", "process 4711 (nginx)". */
  readonly who: string;
  /** Some file names it; otherwise processes alone keep it. */
  readonly named: boolean;
}

/** Each once, those with names first: a file's name tells more than a process that happens to be inside. */
export async function* seenNamespaces(slices: Slices): AsyncGenerator<SeenNamespace> {
  const known = new Set<string>();
  for (const { inode, path } of parseNamespaceMounts(readFileSync('/proc/self/mountinfo', 'utf8'))) {
    if (known.has(inode)) continue;
    known.add(inode);
    yield { path, who: path, named: true };
  }
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    await slices.pause();
    const path = `/proc/${pid}/ns/net`;
    const inode = linkOf(path);
    if (inode === undefined || known.has(inode)) continue;
    known.add(inode);
    yield { path, who: processName(pid), named: false };
  }
}

/** Its process has ended, its file was removed, or was left without the namespace. */
const GONE = ['ENOENT', 'ESRCH', 'EINVAL'] as const;

/** @returns undefined when it has gone meanwhile, or is hidden from us @throws KernelError */
export function openSeen({ path }: SeenNamespace): NetNamespace | undefined {
  try {
    return NetNamespace.open(path);
  } catch (error) {
    if (isKernelError(error, ...GONE, 'EACCES', 'EPERM')) return undefined;
    throw error;
  }
}

/** Bind mounts of network namespaces in proc_pid_mountinfo(5): inode as `net:[4026531840]`. Pure. */
export function parseNamespaceMounts(text: string): { inode: string; path: string }[] {
  return text.split('\n').flatMap((line) => {
    const [, , , root = '', mountPoint = ''] = line.split(' ');
    if (!line.includes(' - nsfs ') || !root.startsWith('net:[')) return [];
    const path = mountPoint.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    return [{ inode: root, path }];
  });
}

/** "process 4711 (nginx)". */
export function processName(pid: string): string {
  try {
    return `process ${pid} (${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()})`;
  } catch {
    return `process ${pid}`;
  }
}

/** What a link of /proc leads to; undefined when its process has ended, or is hidden from us. */
export function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
