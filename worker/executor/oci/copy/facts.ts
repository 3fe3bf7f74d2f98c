import { closeSync, type Stats } from 'node:fs';
import { posix } from 'node:path';
import { failedPrecondition, invalidArgument, notFound } from '../../../../lib/errors.js';
import { isKernelError } from '../../../../netlb/kernel/errors.js';
import type { PathFacts } from '../../interactive.js';
import { type ContainerRoot, linkTarget, statOf } from '../container/root.js';

/** The name under which a path is in its archive: `.` for the root, and for a path that ends so. */
export function nameOf(path: string): string {
  return posix.basename(path) || '.';
}

/** @throws NOT_FOUND */
export async function pathFacts(root: ContainerRoot, path: string, follow: boolean): Promise<PathFacts> {
  const fd = await resolvePath(root, path, follow);
  try {
    const stats = await statOf(fd);
    return {
      name: nameOf(path),
      size: stats.size,
      mode: stats.mode,
      modifiedAt: Math.floor(stats.mtimeMs),
      linkTarget: stats.isSymbolicLink() ? await linkTarget(fd) : '',
    };
  } finally {
    closeSync(fd);
  }
}

/** @throws NOT_FOUND, INVALID_ARGUMENT */
export async function resolvePath(root: ContainerRoot, path: string, follow: boolean, folder = false): Promise<number> {
  try {
    return await root.resolve(`/${path}`, { follow, folder });
  } catch (error) {
    if (isKernelError(error, 'ENOENT')) throw notFound(`no such path in the container: ${path}`, { value: path });
    if (isKernelError(error, 'ENOTDIR')) {
      throw invalidArgument(`not a directory in the container: ${path}`, { value: path });
    }
    if (!isKernelError(error)) throw error;
    throw failedPrecondition(`${path}: ${error.message}`, { value: path, cause: error });
  }
}

/** Numbers of a device, as gnu_dev_major and gnu_dev_minor of sys/sysmacros.h have them for 32 bits. */
export const deviceOf = ({ rdev }: Pick<Stats, 'rdev'>): { major: number; minor: number } => ({
  major: (rdev >>> 8) & 0xfff,
  minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00),
});
export const deviceNumber = (major: number, minor: number): number =>
  (((minor & 0xfff00) << 12) | ((major & 0xfff) << 8) | (minor & 0xff)) >>> 0;
