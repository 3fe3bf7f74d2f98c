import { access, readFile, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, failedPrecondition } from '../../../../lib/errors.js';
import type { CgroupFacts } from './host-facts.js';

const MOUNT_FLAGS = new Set(['rw', 'ro', 'relatime', 'noatime', 'nosuid', 'nodev', 'noexec', 'nsdelegate']);

/** Reads /proc/self/mounts: which hierarchies there are (cgroups(7)). @throws FAILED_PRECONDITION when none */
export function parseCgroupMounts(mounts: string): Omit<CgroupFacts, 'swapAccounting'> {
  const rows = mounts.split('\n').map((line) => line.split(' '));
  const legacy = rows
    .filter(([, , type]) => type === 'cgroup')
    .map(([, mount = '', , options = '']) => ({
      mount,
      controllers: options.split(',').filter((option) => !MOUNT_FLAGS.has(option)),
    }));
  const unified = rows.find(([, , type]) => type === 'cgroup2')?.[1] ?? '';
  if (legacy.some(({ controllers }) => controllers.includes('memory'))) {
    return { version: 1, hierarchies: legacy, unified };
  }
  if (unified === '') {
    throw failedPrecondition('no cgroup file system is mounted', {
      hint: 'Mount one: mount -t cgroup2 none /sys/fs/cgroup',
    });
  }
  return { version: 2, hierarchies: [{ mount: unified, controllers: [] }], unified: '' };
}

export async function readCgroupFacts(): Promise<CgroupFacts> {
  const facts = parseCgroupMounts(await readFile('/proc/self/mounts', 'utf8'));
  const memory = facts.hierarchies.find(({ controllers }) => controllers.includes('memory'));
  const sign = memory ? join(memory.mount, 'memory.memsw.limit_in_bytes') : '/proc/swaps';
  return { ...facts, swapAccounting: await isThere(sign) };
}

/** Where a controller's hierarchy is mounted; the only one of version 2 has all. Empty when there is none. */
export function hierarchyOf({ version, hierarchies }: CgroupFacts, controller: string): string {
  const [first] = hierarchies;
  const found = version === 2 ? first : hierarchies.find(({ controllers }) => controllers.includes(controller));
  return found?.mount ?? '';
}

/** How many processes of a cgroup the kernel killed for want of memory. */
export async function oomKills(facts: CgroupFacts, path: string): Promise<number> {
  const file = facts.version === 2 ? 'memory.events' : 'memory.oom_control';
  try {
    const text = await readFile(join(hierarchyOf(facts, 'memory'), path, file), 'utf8');
    return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
  } catch (error) {
    // The cgroup is gone, or going: ENODEV.
    if (['ENOENT', 'ENODEV'].includes(errnoOf(error) ?? '')) return 0;
    throw error;
  }
}

/**
 * Removes a cgroup from every hierarchy where it is empty. Mostly the runtime has, and nothing is left to do.
 * @returns false when processes or cgroups in it kept one from going
 */
export async function removeCgroup(facts: CgroupFacts, path: string): Promise<boolean> {
  const mounts = [...facts.hierarchies.map(({ mount }) => mount), ...(facts.unified === '' ? [] : [facts.unified])];
  let gone = true;
  for (const mount of mounts) {
    try {
      await rmdir(join(mount, path));
    } catch (error) {
      const errno = errnoOf(error) ?? '';
      if (['EBUSY', 'ENOTEMPTY'].includes(errno)) gone = false;
      else if (errno !== 'ENOENT') throw error;
    }
  }
  return gone;
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
