import { closeSync, constants } from 'node:fs';
import { type FileHandle, lchown, link, lstat, lutimes, mkdir, open, symlink, unlink } from 'node:fs/promises';
import { posix } from 'node:path';
import type { Readable } from 'node:stream';
import { type Extract, type Headers, extract as makeExtract } from 'tar-stream';
import { errnoOf, failedPrecondition, invalidArgument, messageOf, SwarmError } from '../../../../lib/errors.js';
import { type ContainerRoot, makeNode } from '../container/root.js';
import { deviceNumber, resolvePath } from './facts.js';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_TRUNC, O_WRONLY, S_IFBLK, S_IFCHR, S_IFIFO } = constants;

/**
 * Unpacks a tar archive into a folder. Each entry's folder is resolved within the root, and the entry is made in it
 * through its descriptor by a name of one part, which no call here follows: links that lead out, in the archive or in
 * the container, and changed meanwhile or not, lead nowhere but to the root.
 * @throws as InteractiveExecutor.copyTo
 */
export async function unpackInto(
  root: ContainerRoot,
  folder: string,
  archive: AsyncIterable<Uint8Array>,
  keepOwners: boolean,
): Promise<void> {
  closeSync(await resolvePath(root, folder, true, true));
  const extract = makeExtract();
  const unpacker = new Unpacker(root, folder, keepOwners);
  const feeding = feed(archive, extract);
  try {
    for await (const entry of extract) {
      await unpacker.add(entry.header, entry);
      // Of whatever has a body that nobody wants.
      entry.resume();
    }
    await feeding;
    await unpacker.finish();
  } catch (error) {
    throw explained(error);
  } finally {
    unpacker.close();
    extract.destroy();
  }
}

async function feed(archive: AsyncIterable<Uint8Array>, extract: Extract): Promise<void> {
  const closed = new Promise((resolve) => extract.once('close', resolve));
  try {
    for await (const chunk of archive) {
      if (extract.destroyed) return;
      if (!extract.write(chunk)) await Promise.race([new Promise((drained) => extract.once('drain', drained)), closed]);
    }
    extract.end();
  } catch (error) {
    extract.destroy(new SourceError(error));
  }
}

/** Whoever sends the archive failed. */
class SourceError extends Error {
  constructor(cause: unknown) {
    super(messageOf(cause), { cause });
  }
}

/** Errors of the file system name our descriptors: the entry is what is to be seen. */
class EntryError extends Error {
  constructor(name: string, cause: unknown) {
    super(`${name}: ${messageOf(cause).replace(/, \w+ '.*$/, '')}`, { cause });
  }
}

function explained(error: unknown): unknown {
  if (error instanceof SwarmError) return error;
  if (error instanceof SourceError) return error.cause;
  if (error instanceof EntryError) return failedPrecondition(`cannot unpack ${error.message}`, { cause: error });
  return invalidArgument(`not a tar archive: ${messageOf(error)}`, { cause: error });
}

/** Where an entry is made: `name` in the folder behind `fd`. */
interface Place {
  readonly fd: number;
  readonly name: string;
  /** Of both, for calls that take a path. */
  readonly path: string;
}

class Unpacker {
  readonly #root: ContainerRoot;
  readonly #folder: string;
  readonly #keepOwners: boolean;
  /** Folders get their times when all is in them. */
  readonly #times = new Map<string, Date>();
  /** The folder of the entry before is mostly that of the next. */
  #open: { readonly path: string; readonly fd: number } | undefined;

  constructor(root: ContainerRoot, folder: string, keepOwners: boolean) {
    this.#root = root;
    this.#folder = withoutSlash(posix.normalize(folder));
    this.#keepOwners = keepOwners;
  }

  async add(header: Headers, body: Readable): Promise<void> {
    const path = this.#path(header.name);
    try {
      // The folder itself: it is there.
      if (path === this.#folder) return;
      await this.#make(header, path, body);
    } catch (error) {
      if (error instanceof SwarmError) throw error;
      if (errnoOf(error) === undefined && !(error instanceof Error && error.name === 'KernelError')) throw error;
      throw new EntryError(header.name, error);
    }
  }

  async finish(): Promise<void> {
    for (const [path, time] of this.#times) {
      const place = await this.#place(path);
      await lutimes(place.path, time, time);
    }
  }

  close(): void {
    if (this.#open) closeSync(this.#open.fd);
    this.#open = undefined;
  }

  /** @throws INVALID_ARGUMENT for a name that would leave the folder */
  #path(name: string): string {
    if (!name.split('/').includes('..')) return withoutSlash(posix.normalize(`${this.#folder}/${name}`));
    throw invalidArgument(`the archive has an entry outside of its folder: ${name}`, { value: name });
  }

  async #place(path: string): Promise<Place> {
    const parent = posix.dirname(path);
    const name = posix.basename(path);
    if (this.#open?.path !== parent) {
      this.close();
      this.#open = { path: parent, fd: await this.#folderAt(parent) };
    }
    const { fd } = this.#open;
    return { fd, name, path: `/proc/self/fd/${fd}/${name}` };
  }

  /** The descriptor of a folder, which is made, with those above it, when it is not there. */
  async #folderAt(path: string): Promise<number> {
    try {
      return await resolvePath(this.#root, path, true, true);
    } catch (error) {
      if (!(error instanceof SwarmError) || error.code !== 'NOT_FOUND' || path === '/') throw error;
    }
    const above = await this.#folderAt(posix.dirname(path));
    try {
      await mkdir(`/proc/self/fd/${above}/${posix.basename(path)}`, { mode: 0o755 });
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    } finally {
      closeSync(above);
    }
    return resolvePath(this.#root, path, true, true);
  }

  async #make(header: Headers, path: string, body: Readable): Promise<void> {
    const place = await this.#place(path);
    const isFolder = header.type === 'directory';
    const kept = await this.#makeRoom(place, header.name, isFolder);
    const mode = header.mode ?? 0o644;
    switch (header.type) {
      case 'directory':
        if (!kept) await mkdir(place.path);
        this.#times.set(path, header.mtime ?? new Date());
        return this.#finishFolder(path, header, mode);
      case 'file':
      case 'contiguous-file':
        return this.#makeFile(place, header, mode, body);
      case 'symlink':
        await symlink(header.linkname ?? '', place.path);
        break;
      case 'link':
        return this.#makeLink(place, header.linkname ?? '');
      case 'fifo':
        await makeNode(place.fd, place.name, S_IFIFO | (mode & 0o7777), 0);
        break;
      case 'character-device':
      case 'block-device': {
        const type = header.type === 'block-device' ? S_IFBLK : S_IFCHR;
        const device = deviceNumber(header.devmajor ?? 0, header.devminor ?? 0);
        await makeNode(place.fd, place.name, type | (mode & 0o7777), device);
        break;
      }
      default:
        throw invalidArgument(`the archive has an entry of a type that is not known: ${header.name}`, {
          value: String(header.type),
        });
    }
    const [uid, gid] = this.#owner(header);
    await lchown(place.path, uid, gid);
    if (header.mtime) await lutimes(place.path, header.mtime, header.mtime);
  }

  /**
   * Takes away what is there; a folder stays for a folder. One never takes the place of the other.
   * @returns whether something stays
   */
  async #makeRoom(place: Place, name: string, isFolder: boolean): Promise<boolean> {
    let isThere: boolean;
    try {
      isThere = (await lstat(place.path)).isDirectory();
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false;
      throw error;
    }
    if (isThere && isFolder) return true;
    if (isThere || isFolder) {
      const [old, now] = isThere ? ['directory', 'non-directory'] : ['non-directory', 'directory'];
      throw invalidArgument(`cannot overwrite ${old} "${name}" with ${now}`, { value: name });
    }
    try {
      await unlink(place.path);
      return false;
    } catch (error) {
      // Something is mounted there, like a file of ours on /etc/hosts.
      if (errnoOf(error) === 'EBUSY') return true;
      throw error;
    }
  }

  async #makeFile(place: Place, header: Headers, mode: number, body: Readable): Promise<void> {
    const file = await openForWriting(place.path);
    try {
      for await (const chunk of body) await writeAll(file, chunk as Uint8Array);
      const [uid, gid] = this.#owner(header);
      await file.chown(uid, gid);
      // After the owner, which takes the bits of setuid away.
      await file.chmod(mode & 0o7777);
      if (header.mtime) await file.utimes(header.mtime, header.mtime);
    } finally {
      await file.close();
    }
  }

  async #makeLink(place: Place, target: string): Promise<void> {
    const path = this.#path(target);
    const folder = await resolvePath(this.#root, posix.dirname(path), true, true);
    try {
      await link(`/proc/self/fd/${folder}/${posix.basename(path)}`, place.path);
    } finally {
      closeSync(folder);
    }
  }

  async #finishFolder(path: string, header: Headers, mode: number): Promise<void> {
    const fd = await resolvePath(this.#root, path, false, true);
    const self = await open(`/proc/self/fd/${fd}`, constants.O_RDONLY).finally(() => closeSync(fd));
    try {
      const [uid, gid] = this.#owner(header);
      await self.chown(uid, gid);
      await self.chmod(mode & 0o7777);
    } finally {
      await self.close();
    }
  }

  #owner({ uid = 0, gid = 0 }: Headers): readonly [number, number] {
    return this.#keepOwners ? [uid, gid] : [0, 0];
  }
}

const withoutSlash = (path: string): string => path.replace(/(.)\/$/, '$1');

/** A new file, or one that could not be taken away, of which nothing is left. */
async function openForWriting(path: string): Promise<FileHandle> {
  try {
    return await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
  const file = await open(path, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_NONBLOCK);
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw invalidArgument('not a regular file');
}

async function writeAll(file: FileHandle, data: Uint8Array): Promise<void> {
  for (let start = 0; start < data.length; ) {
    start += (await file.write(data, start, data.length - start)).bytesWritten;
  }
}
