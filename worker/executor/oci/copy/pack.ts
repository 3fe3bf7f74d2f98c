import { closeSync, constants, type Stats } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { type Headers, pack as makePack, type Pack } from 'tar-stream';
import { codeOf, failedPrecondition } from '../../../../lib/errors.js';
import { type ContainerRoot, linkTarget, statOf } from '../container/root.js';
import { deviceOf, nameOf, resolvePath } from './facts.js';

const CHUNK = 64 * 1024;
const BLOCK = 512;
/** Bytes of entries that wait for the reader; a tree of empty files would fill the memory otherwise. */
const AHEAD = 256 * 1024;
/** Of a container that makes folders in folders without end. */
const MAX_DEPTH = 1000;

/**
 * A tar archive of a path, of what is there when it is reached: files that go meanwhile are left out, one that
 * shrinks is filled up. Each object is opened within the root, looked at, and read through that descriptor: what
 * it is cannot change in between.
 */
export async function* packPath(root: ContainerRoot, path: string, follow: boolean): AsyncGenerator<Uint8Array> {
  const pack = makePack();
  const packer = new Packer(root, pack);
  const packing = packer
    .add(path, nameOf(path), follow)
    .then(() => pack.finalize())
    .catch((error: Error) => pack.destroy(error));
  try {
    for await (const chunk of pack) {
      packer.taken(chunk.length);
      yield chunk;
    }
  } finally {
    pack.destroy();
    packer.taken(Number.POSITIVE_INFINITY);
    await packing;
  }
}

class Packer {
  readonly #root: ContainerRoot;
  readonly #pack: Pack;
  /** Names of files with several names, by device and inode. */
  readonly #names = new Map<string, string>();
  #ahead = 0;
  #wake: () => void = () => undefined;

  constructor(root: ContainerRoot, pack: Pack) {
    this.#root = root;
    this.#pack = pack;
  }

  taken(bytes: number): void {
    this.#ahead -= bytes;
    this.#wake();
  }

  async add(path: string, name: string, follow: boolean, depth = 0): Promise<void> {
    if (depth > MAX_DEPTH) throw failedPrecondition(`folders are nested too deeply: ${path.slice(0, 100)}…`);
    const fd = await resolvePath(this.#root, path, follow);
    let children: string[] = [];
    try {
      const stats = await statOf(fd);
      if (stats.isDirectory()) children = (await readdir(`/proc/self/fd/${fd}`)).sort();
      await this.#addOne(fd, stats, name);
    } finally {
      closeSync(fd);
    }
    for (const child of children) {
      try {
        await this.add(`${path}/${child}`, `${name}/${child}`, false, depth + 1);
      } catch (error) {
        if (!isGone(error)) throw error;
      }
    }
  }

  async #addOne(fd: number, stats: Stats, name: string): Promise<void> {
    const header = await this.#header(fd, stats, name);
    if (!header) return;
    if (header.type === 'file') await this.#addFile(fd, header);
    else this.#pack.entry(header);
    this.#ahead += BLOCK + Math.ceil((header.size ?? 0) / BLOCK) * BLOCK;
    while (this.#ahead > AHEAD && !this.#pack.destroyed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Undefined for what an archive cannot hold: sockets. */
  async #header(fd: number, stats: Stats, name: string): Promise<Headers | undefined> {
    const { uid, gid, mode, mtime } = stats;
    const common = { name, uid, gid, mode: mode & 0o7777, mtime };
    if (stats.isDirectory()) return { ...common, name: `${name}/`, type: 'directory' };
    if (stats.isSymbolicLink()) return { ...common, type: 'symlink', linkname: await linkTarget(fd) };
    const known = this.#known(stats, name);
    if (known !== undefined) return { ...common, type: 'link', linkname: known };
    if (stats.isFile()) return { ...common, type: 'file', size: stats.size };
    if (stats.isFIFO()) return { ...common, type: 'fifo' };
    if (!stats.isBlockDevice() && !stats.isCharacterDevice()) return undefined;
    const { major, minor } = deviceOf(stats);
    const type = stats.isBlockDevice() ? 'block-device' : 'character-device';
    return { ...common, type, devmajor: major, devminor: minor };
  }

  #known({ nlink, dev, ino }: Stats, name: string): string | undefined {
    if (nlink < 2) return undefined;
    const key = `${dev}:${ino}`;
    const known = this.#names.get(key);
    if (known === undefined) this.#names.set(key, name);
    return known;
  }

  async #addFile(fd: number, header: Headers): Promise<void> {
    const file = await open(`/proc/self/fd/${fd}`, constants.O_RDONLY);
    try {
      await new Promise<void>((resolve, reject) => {
        const sink = this.#pack.entry(header, (error) => (error ? reject(error) : resolve()));
        const copy = async () => {
          for (let left = header.size ?? 0; left > 0; ) {
            const buffer = Buffer.alloc(Math.min(CHUNK, left));
            const { bytesRead } = await file.read(buffer, 0, buffer.length);
            const data = bytesRead > 0 ? buffer.subarray(0, bytesRead) : buffer;
            left -= data.length;
            if (!sink.write(data)) await new Promise((drained) => sink.once('drain', drained));
          }
          sink.end();
        };
        copy().catch(reject);
      });
    } finally {
      await file.close();
    }
  }
}

/** Gone, or another thing now than it was. */
function isGone(error: unknown): boolean {
  return ['NOT_FOUND', 'INVALID_ARGUMENT'].includes(codeOf(error));
}
