import { lstat, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../../../lib/errors.js';
import { readSmallFile } from './small-file.js';

const MAX_LINKS = 40;

/**
 * Reads a text file of a root filesystem, following its symbolic links as a process inside would:
 * an absolute link starts at the root filesystem, and no `..` leaves it.
 * @returns '' when there is no such file
 * @throws FAILED_PRECONDITION for one that is too large
 */
export async function readInside(rootfs: string, path: string): Promise<string> {
  const left = path.split('/');
  const done: string[] = [];
  let links = 0;
  for (let part = left.shift(); part !== undefined; part = left.shift()) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      done.pop();
      continue;
    }
    const target = await readLink(join(rootfs, ...done, part));
    if (target === undefined) {
      done.push(part);
      continue;
    }
    if (++links > MAX_LINKS) return '';
    if (target.startsWith('/')) done.length = 0;
    left.unshift(...target.split('/'));
  }
  try {
    const file = join(rootfs, ...done);
    // A device does things when it is opened. What is here now stays: nobody writes to it.
    return (await lstat(file)).isFile() ? await readSmallFile(file, path) : '';
  } catch (error) {
    if (isMissing(error)) return '';
    throw error;
  }
}

/** A link's target; undefined for what is no link or not there. */
async function readLink(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (errnoOf(error) === 'EINVAL' || isMissing(error)) return undefined;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'EISDIR'].includes(errnoOf(error) ?? '');
}
