import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../../../lib/errors.js';
import { hexOf } from './catalogue.js';
import { exists } from './rootfs.js';

/**
 * Who uses an image: a file per container, with the path of the container's folder in it. A claim
 * lapses when that folder is gone, so a container that was deleted by other means holds nothing.
 */
export class Holders {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async add(id: string, holder: string): Promise<void> {
    await mkdir(join(this.#root, hexOf(id)), { recursive: true });
    await writeFile(this.#file(hexOf(id), holder), holder);
  }

  async drop(holder: string): Promise<void> {
    for (const hex of await namesIn(this.#root)) await rm(this.#file(hex, holder), { force: true });
  }

  /** Folders of the containers that use an image; lapsed claims are deleted. */
  async of(id: string): Promise<string[]> {
    const folder = join(this.#root, hexOf(id));
    const alive: string[] = [];
    for (const file of await namesIn(folder)) {
      const holder = await readFile(join(folder, file), 'utf8');
      if (await exists(holder)) alive.push(holder);
      else await rm(join(folder, file), { force: true });
    }
    return alive;
  }

  #file(hex: string, holder: string): string {
    return join(this.#root, hex, createHash('sha256').update(holder).digest('hex'));
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
