import { constants, fstatSync, openSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import fsPromises, { type FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';

/** The files of a folder, by name. */
export type Image = ReadonlyMap<string, Buffer>;

/** What a disk could hold if the power failed when a file-system operation has just ended. */
export interface Moment {
  readonly operation: string;
  readonly images: {
    /** All that was done, as after `kill -9`. */
    readonly done: Image;
    /** No more than what was synced: names as of the folder's last sync, files as of theirs. */
    readonly synced: Image;
    /** Names as they are, files as of their last sync: a disk may keep them in this order, too. */
    readonly named: Image;
  };
}

type Method = (this: unknown, ...args: unknown[]) => Promise<unknown>;
type Methods = Record<string, Method>;

/**
 * Watches all that this process does to the files of a folder through node:fs/promises, for tests.
 * A file's bytes count as synced when they were written before a sync began that has ended, or by a
 * write that syncs them itself.
 */
export class PowerCut {
  readonly #folder: string;
  readonly #onMoment: (moment: Moment) => void;
  readonly #undo: (() => void)[] = [];
  /** Content by inode. Each inode is held open, so that no later file gets its number. */
  readonly #synced = new Map<number, Buffer>();
  #names: ReadonlyMap<string, number> = new Map();
  /** While true, syncs do not end: what is written stays in the kernel only. */
  hold = false;

  private constructor(folder: string, onMoment: (moment: Moment) => void) {
    this.#folder = folder;
    this.#onMoment = onMoment;
  }

  static async watch(folder: string, onMoment: (moment: Moment) => void): Promise<PowerCut> {
    const cut = new PowerCut(folder, onMoment);
    const handle = await fsPromises.open(folder);
    const methods = Object.getPrototypeOf(handle) as Methods;
    await handle.close();
    for (const name of ['write', 'truncate']) cut.#wrap(methods, name, (self) => cut.#nameOf(self as FileHandle));
    for (const name of ['sync', 'datasync']) cut.#wrap(methods, name, (self) => cut.#nameOf(self as FileHandle), true);
    for (const name of ['rename', 'rm'])
      cut.#wrap(fsPromises as unknown as Methods, name, (_self, file) => cut.#within(String(file)));
    syncBuiltinESMExports();
    return cut;
  }

  stop(): void {
    for (const undo of this.#undo) undo();
    syncBuiltinESMExports();
  }

  /** @param within the file's name; undefined when it is not of the folder */
  #wrap(
    target: Methods,
    method: string,
    within: (self: unknown, file: unknown) => string | undefined,
    isSync = false,
  ): void {
    const original = target[method] as Method;
    const cut = this;
    target[method] = async function (this: unknown, ...args: unknown[]) {
      const name = within(this, args[0]);
      const settle = isSync && name !== undefined ? cut.#sync(this as FileHandle) : undefined;
      const result = await original.apply(this, args);
      settle?.();
      if (method === 'write' && name !== undefined && writesThrough(this as FileHandle))
        cut.#sync(this as FileHandle)?.();
      if (name !== undefined) cut.#emit(`${method} ${name}`);
      return result;
    };
    this.#undo.push(() => {
      target[method] = original;
    });
  }

  #nameOf(handle: FileHandle): string | undefined {
    return this.#within(readlinkSync(`/proc/self/fd/${handle.fd}`));
  }

  #within(file: string): string | undefined {
    const relative = path.relative(this.#folder, file);
    return relative.startsWith('..') ? undefined : relative || '.';
  }

  /** What is durable once the sync that begins now has ended. */
  #sync({ fd }: FileHandle): (() => void) | undefined {
    if (this.hold) return undefined;
    const stat = fstatSync(fd);
    if (stat.isDirectory()) {
      const names = this.#inodes();
      return () => {
        this.#names = names;
      };
    }
    const bytes = readFileSync(`/proc/self/fd/${fd}`);
    return () => {
      if (!this.#synced.has(stat.ino)) openSync(`/proc/self/fd/${fd}`, 'r');
      this.#synced.set(stat.ino, bytes);
    };
  }

  #inodes(): Map<string, number> {
    return new Map(readdirSync(this.#folder).map((name) => [name, statSync(path.join(this.#folder, name)).ino]));
  }

  #emit(operation: string): void {
    const inodes = this.#inodes();
    const done = new Map([...inodes.keys()].map((name) => [name, readFileSync(path.join(this.#folder, name))]));
    const ofSynced = (names: ReadonlyMap<string, number>): Image =>
      new Map([...names].map(([name, inode]) => [name, this.#synced.get(inode) ?? Buffer.alloc(0)]));
    this.#onMoment({ operation, images: { done, synced: ofSynced(this.#names), named: ofSynced(inodes) } });
  }
}

/** Whether the file was opened with O_DSYNC, by the kernel's word. */
function writesThrough({ fd }: FileHandle): boolean {
  const flags = /^flags:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '0';
  return (Number.parseInt(flags, 8) & constants.O_DSYNC) === constants.O_DSYNC;
}
