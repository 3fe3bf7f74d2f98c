import { join } from 'node:path';
import { isDiskFull } from '../../lib/disk-errors.js';
import { errnoOf, messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import { LocalNetwork, StoredContainer } from '../../proto/gen/index.js';
import type { MessageType } from '../../proto/runtime.js';
import { DurableFolder } from '../agent/durable-folder.js';

/** Messages in a folder of their own, a file for each, named by its id. What `put` and `delete` answer is on the disk. */
export class Store<T extends { readonly id: string }> {
  readonly #folder: DurableFolder;
  readonly #type: MessageType<T>;
  readonly #log: Logger;

  private constructor(folder: DurableFolder, type: MessageType<T>, log: Logger) {
    this.#folder = folder;
    this.#type = type;
    this.#log = log;
  }

  static async open<T extends { readonly id: string }>(
    path: string,
    type: MessageType<T>,
    log: Logger,
  ): Promise<Store<T>> {
    return new Store(await DurableFolder.open(path), type, log);
  }

  /** All on record, by id. A file that cannot be read is set aside. */
  async all(): Promise<readonly T[]> {
    const names = [...(await this.#folder.names())].sort();
    const items = await Promise.all(names.map((name) => this.#read(name)));
    return items.filter((item) => item !== undefined);
  }

  /** By id, the files of those whose records were set aside, now or before, and are there still. */
  unreadable(): Promise<ReadonlyMap<string, string>> {
    return this.#folder.aside();
  }

  put(item: T): Promise<void> {
    return this.#folder.write(item.id, this.#type.encode(item));
  }

  /**
   * The same for what is about to be deleted: that needs no room on the disk, of which it may be the remedy. A full one
   * keeps what was there before, so that a crash has it forgotten that it was to go, and not how it is.
   */
  async putIfRoom(item: T): Promise<void> {
    try {
      await this.put(item);
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      this.#log.warn({ id: item.id, err: error }, 'it is to go, which is not on record: the disk is full');
    }
  }

  delete(id: string): Promise<void> {
    return this.#folder.remove(id);
  }

  async #read(name: string): Promise<T | undefined> {
    try {
      const item = this.#type.decode(await this.#folder.read(name));
      if (item.id !== name) throw new RangeError(`it is of "${item.id}"`);
      return item;
    } catch (error) {
      if (errnoOf(error) !== undefined) throw error;
      const file = await this.#folder.setAside(name);
      this.#log.error({ file, err: error }, `${name} cannot be read and has been set aside: ${messageOf(error)}`);
      return undefined;
    }
  }
}

export interface Stores {
  readonly containers: Store<StoredContainer>;
  readonly networks: Store<LocalNetwork>;
}

/** Containers and networks of this machine alone: `<root>/containers/<id>`, `<root>/networks/<id>`. */
export async function openStores(root: string, log: Logger): Promise<Stores> {
  return {
    containers: await Store.open(join(root, 'containers'), StoredContainer, log),
    networks: await Store.open(join(root, 'networks'), LocalNetwork, log),
  };
}
