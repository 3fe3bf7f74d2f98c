import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Serial } from '../../lib/async.js';
import { errnoOf } from '../../lib/errors.js';
import { seal, unseal } from '../sealed-record.js';

const TEMPORARY = '.tmp';
const ASIDE = 'unreadable';

/**
 * A folder of messages, a file for each, which is replaced as a whole: after a crash a file has its old or its new
 * content, and what is altered on the disk is noticed. A call that resolves is on the disk. Calls for one file must
 * not overlap.
 */
export class DurableFolder {
  readonly #path: string;
  readonly #syncs = new Serial();
  #nextSync: Promise<void> | undefined;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Makes the folder where it is missing; removes what an interrupted write left. */
  static async open(path: string): Promise<DurableFolder> {
    await mkdir(path, { recursive: true, mode: 0o700 });
    const left = (await readdir(path)).filter((name) => name.endsWith(TEMPORARY));
    await Promise.all(left.map((name) => rm(join(path, name), { force: true })));
    return new DurableFolder(path);
  }

  async names(): Promise<readonly string[]> {
    const entries = await readdir(this.#path, { withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
  }

  /** @throws RangeError when it is not what was written; what readFile throws */
  async read(name: string): Promise<Buffer> {
    return unseal(await readFile(join(this.#path, name)));
  }

  async write(name: string, message: Uint8Array): Promise<void> {
    const temporary = join(this.#path, `${name}${TEMPORARY}`);
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(seal(message));
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(temporary, join(this.#path, name));
    await this.#sync();
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.#path, name), { force: true });
    await this.#sync();
  }

  /** Puts a file that cannot be read out of the way, for a person to look at. */
  async setAside(name: string): Promise<string> {
    const aside = join(this.#path, ASIDE);
    await mkdir(aside, { recursive: true, mode: 0o700 });
    const target = join(aside, name);
    await rename(join(this.#path, name), target);
    return target;
  }

  /** The files that were put out of the way, and are there still, by their names here. */
  async aside(): Promise<ReadonlyMap<string, string>> {
    const aside = join(this.#path, ASIDE);
    try {
      return new Map((await readdir(aside)).map((name) => [name, join(aside, name)]));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return new Map();
      throw error;
    }
  }

  /** Makes renames durable. Calls that come while one sync runs share the next one. */
  #sync(): Promise<void> {
    this.#nextSync ??= this.#syncs.run(async () => {
      this.#nextSync = undefined;
      const folder = await open(this.#path, 'r');
      try {
        await folder.sync();
      } finally {
        await folder.close();
      }
    });
    return this.#nextSync;
  }
}
