import { chmod, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, messageOf } from '../../lib/errors.js';
import { newId } from '../../lib/ids.js';
import { unmountBelow } from '../../netlb/kernel/mounts.js';
import { StoredVolume } from '../../proto/gen/index.js';
import { seal, unseal } from '../sealed-record.js';

const RECORD = 'record';
const DATA = '_data';
/** No volume's name begins with a dot. */
const MAKING = '.making-';
const REMOVING = '.removing-';

/** What is on the disk of one volume. */
export interface FoundVolume {
  readonly name: string;
  /** Undefined when it cannot be read: `problem` says why. */
  readonly record: StoredVolume | undefined;
  readonly problem: string;
}

/**
 * The folders of volumes: `<root>/<name>/_data` and beside it the volume's record. A volume appears with its record
 * and goes with it, in one rename each: whatever is interrupted, it is there whole or not at all. What is in a
 * folder whose record is damaged is a person's to save.
 */
export class VolumeFolders {
  readonly #root: string;

  private constructor(root: string) {
    this.#root = root;
  }

  /** Finishes what was interrupted. */
  static async open(root: string): Promise<VolumeFolders> {
    await mkdir(root, { recursive: true, mode: 0o711 });
    const folders = new VolumeFolders(root);
    const halves = (await readdir(root)).filter((name) => name.startsWith(MAKING) || name.startsWith(REMOVING));
    for (const name of halves) await folders.#delete(join(root, name));
    return folders;
  }

  data(name: string): string {
    return join(this.#root, name, DATA);
  }

  /** Is there while the volume is being filled from an image. */
  fillingMark(name: string): string {
    return join(this.#root, name, 'filling');
  }

  async all(): Promise<readonly FoundVolume[]> {
    const entries = await readdir(this.#root, { withFileTypes: true });
    const names = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).map(({ name }) => name);
    return Promise.all(names.sort().map((name) => this.#read(name)));
  }

  /** On the disk when it resolves. */
  async make(record: StoredVolume): Promise<void> {
    const folder = join(this.#root, `${MAKING}${newId()}`);
    await mkdir(join(folder, DATA), { recursive: true });
    // Whatever the daemon's mask: users of containers come to their files through it.
    await chmod(join(folder, DATA), 0o755);
    const file = await open(join(folder, RECORD), 'wx', 0o600);
    try {
      await file.writeFile(seal(StoredVolume.encode(record)));
      await file.datasync();
    } finally {
      await file.close();
    }
    await sync(folder);
    await rename(folder, join(this.#root, record.spec.name));
    await sync(this.#root);
  }

  /** Gone when it resolves, though its data may still be being deleted. @returns resolves when that is done too */
  async remove(name: string): Promise<{ readonly deleted: Promise<void> }> {
    unmountBelow(join(this.#root, name));
    const folder = join(this.#root, `${REMOVING}${newId()}`);
    await rename(join(this.#root, name), folder);
    await sync(this.#root);
    return { deleted: this.#delete(folder) };
  }

  async #delete(folder: string): Promise<void> {
    unmountBelow(folder);
    await rm(folder, { recursive: true, force: true });
  }

  async #read(name: string): Promise<FoundVolume> {
    try {
      const record = StoredVolume.decode(unseal(await readFile(join(this.#root, name, RECORD))));
      if (record.spec.name !== name) throw new RangeError(`it is of "${record.spec.name}"`);
      return { name, record, problem: '' };
    } catch (error) {
      if (errnoOf(error) === undefined || errnoOf(error) === 'ENOENT') {
        return { name, record: undefined, problem: `its record cannot be read: ${messageOf(error)}` };
      }
      throw error;
    }
  }
}

async function sync(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
