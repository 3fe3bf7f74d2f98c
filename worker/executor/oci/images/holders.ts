import { createHash } from 'node:crypto';
import { mkdir, readdir, rmdir, symlink, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../../../lib/errors.js';
import { hexOf } from './catalogue.js';
import { exists } from './rootfs.js';

/**
 * Who uses an image: in the image's folder, a symbolic link per container to the container's folder.
 * A claim lapses when that is gone, so a container that was deleted by other means holds nothing.
 *
 * Claims need no lock: the kernel makes the link or removes the empty folder, never both. So `close`
 * succeeds only when nobody holds the image, and once it has, nobody comes to hold it.
 */
export class Holders {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** Lets an image be held. The caller knows that it is whole and stays so. */
  async open(id: string): Promise<void> {
    await mkdir(join(this.#root, hexOf(id)), { recursive: true });
  }

  /** False when the image cannot be held: it was never opened, or is closed. */
  async add(id: string, holder: string): Promise<boolean> {
    try {
      await symlink(holder, this.#file(hexOf(id), holder));
      return true;
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return true;
      if (errnoOf(error) === 'ENOENT') return false;
      throw error;
    }
  }

  async drop(holder: string): Promise<void> {
    await Promise.all((await namesIn(this.#root)).map((hex) => unlinkIfThere(this.#file(hex, holder))));
  }

  /** How many containers use an image; lapsed claims are deleted. */
  async count(id: string): Promise<number> {
    const folder = join(this.#root, hexOf(id));
    let alive = 0;
    for (const name of await namesIn(folder)) {
      if (await exists(join(folder, name))) alive++;
      else await unlinkIfThere(join(folder, name));
    }
    return alive;
  }

  /** Ends the holding of an image that nobody holds; false when somebody does. */
  async close(id: string): Promise<boolean> {
    try {
      await rmdir(join(this.#root, hexOf(id)));
      return true;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return true;
      if (errnoOf(error) === 'ENOTEMPTY') return false;
      throw error;
    }
  }

  #file(hex: string, holder: string): string {
    return join(this.#root, hex, createHash('sha256').update(holder).digest('hex'));
  }
}

async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

/** Names in a folder; none when it is not there. */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}
