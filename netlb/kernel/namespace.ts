import { closeSync, mkdirSync, openSync, readdirSync, statfsSync, statSync, unlinkSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errnoOf } from '../../lib/errors.js';
import { finish, type Steps } from '../../lib/steps.js';
import { isKernelError, KernelError } from './errors.js';
import {
  close,
  errorWords,
  MNT_DETACH,
  mountRaw,
  O_RDONLY,
  open,
  setNetworkNamespace,
  unmountRaw,
  unshareNetworkNamespace,
} from './syscalls.js';

/** The calling thread's own; /proc/self/ns/net would be the main thread's. */
const THREAD_NAMESPACE = '/proc/thread-self/ns/net';
const NSFS_MAGIC = 0x6e736673;
const MS_BIND = 4096;
const EEXIST = 17;

/** Descriptor of the namespace that this thread is in now; undefined until it is first needed. */
let current: number | undefined;
let home: NetNamespace | undefined;

/** Goes back, or ends the process: going on in a foreign namespace would wreck somebody's network. */
function enterOrAbort(fd: number): void {
  try {
    setNetworkNamespace(fd);
    current = fd;
  } catch (error) {
    process.stderr.write(`fatal: cannot return to the network namespace: ${String(error)}\n`);
    process.abort();
  }
}

/** @param path an existing file to mount the namespace on */
function makeNamespace(path: string | undefined): number {
  const back = current ?? NetNamespace.self().fd;
  unshareNetworkNamespace();
  try {
    if (path !== undefined) mountRaw(THREAD_NAMESPACE, path, 'none', MS_BIND, '');
    return open(THREAD_NAMESPACE, O_RDONLY);
  } finally {
    enterOrAbort(back);
  }
}

/**
 * A network namespace held open by a descriptor. It lives while a descriptor, a socket, a thread or
 * a bind mount refers to it; `path` is the bind mount that names it.
 */
export class NetNamespace {
  readonly path: string;
  readonly fd: number;
  /** Tells namespaces apart: the number in `net:[4026531840]`. */
  readonly inode: number;
  #open = true;

  private constructor(path: string, fd: number) {
    this.path = path;
    this.fd = fd;
    this.inode = statSync(`/proc/self/fd/${fd}`).ino;
  }

  /**
   * Makes a namespace named by a bind mount on `path`; missing directories are made. Its loopback is
   * down (RouteSocket.raiseLoopback). A plain file there, left by a crash between its making and the
   * mount, is used.
   * @throws KernelError EEXIST when `path` already names a namespace
   */
  static create(path: string): NetNamespace {
    mkdirSync(dirname(path), { recursive: true });
    if (isNamespaceFile(path))
      throw new KernelError(`make network namespace ${path}`, { errno: EEXIST, words: errorWords(EEXIST) });
    closeSync(openSync(path, 'a', 0o444));
    try {
      return new NetNamespace(path, makeNamespace(path));
    } catch (error) {
      removeNamespace(path);
      throw error;
    }
  }

  /** Makes a namespace without a name: it goes with its last user, at the latest with the process. */
  static createUnnamed(): NetNamespace {
    const fd = makeNamespace(undefined);
    return new NetNamespace(`/proc/self/fd/${fd}`, fd);
  }

  /** @throws KernelError ENOENT when there is no file, EINVAL when it is not a namespace */
  static open(path: string): NetNamespace {
    const fd = open(path, O_RDONLY);
    if (statfsSync(`/proc/self/fd/${fd}`).type === NSFS_MAGIC) return new NetNamespace(path, fd);
    close(fd);
    const EINVAL = 22;
    throw new KernelError(`open network namespace ${path}`, {
      errno: EINVAL,
      words: errorWords(EINVAL),
      detail: 'the file is not a namespace',
    });
  }

  /** The namespace that this thread was started in. Its close() does nothing. */
  static self(): NetNamespace {
    if (home === undefined) {
      home = new NetNamespace(THREAD_NAMESPACE, open(THREAD_NAMESPACE, O_RDONLY));
      current = home.fd;
    }
    return home;
  }

  /**
   * Runs `fn` with this thread inside the namespace. Calls nest. Sockets, nft contexts, threads and
   * children made inside stay there. Only synchronous code: what awaits, and whatever node hands to
   * another thread or a later turn (dns.lookup, dgram.bind, server.listen with a host), happens outside.
   * @throws TypeError when fn returns a promise
   */
  run<T>(fn: () => T): T {
    const self = NetNamespace.self();
    const back = current ?? self.fd;
    if (!this.#open) throw new TypeError(`network namespace ${this.path} is closed`);
    if (back === this.fd) return fn();
    setNetworkNamespace(this.fd);
    current = this.fd;
    let result: T;
    try {
      result = fn();
    } finally {
      enterOrAbort(back);
    }
    if (result instanceof Promise) throw new TypeError('only synchronous code may run inside a network namespace');
    return result;
  }

  /** Names it by its path again, where somebody has taken the mount or the file away. */
  mount(): void {
    nameNamespace(this.path, `/proc/self/fd/${this.fd}`);
  }

  /** Lets go of the descriptor; the namespace itself stays while something refers to it. */
  close(): void {
    if (this === home || !this.#open) return;
    if (this.fd === current) throw new TypeError(`network namespace ${this.path} is closed inside its own run()`);
    this.#open = false;
    close(this.fd);
  }
}

/** Runs `use` with a namespace that has no name and goes with the call, whatever comes of it. @throws KernelError */
export function inThrowAwayNamespace<T>(use: (namespace: NetNamespace) => T): T {
  const namespace = NetNamespace.createUnnamed();
  try {
    return use(namespace);
  } finally {
    namespace.close();
  }
}

function isNamespaceFile(path: string): boolean {
  return namespaceInode(path) !== undefined;
}

/** The number of the namespace that a file names; undefined when it names none. */
export function namespaceInode(path: string): number | undefined {
  try {
    return statfsSync(path).type === NSFS_MAGIC ? statSync(path).ino : undefined;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Names a namespace by a file.
 * @param source where it is found: as `/proc/4711/ns/net`
 * @throws KernelError ENOENT when nothing is there, EINVAL when it is no namespace
 */
export function nameNamespace(path: string, source: string): void {
  mkdirSync(dirname(path), { recursive: true });
  closeSync(openSync(path, 'a', 0o444));
  mountRaw(source, path, 'none', MS_BIND, '');
}

/**
 * Takes away the name. The namespace goes, with all its links, when nothing else refers to it: in the
 * kernel's own time, not the caller's. Copies of the mount in other mount namespaces go with the file
 * (unlink detaches them), whatever the mount propagation. Fine when already gone.
 */
export function removeNamespace(path: string): void {
  try {
    // Until nothing is mounted there: two daemons that raced may have stacked their mounts.
    for (;;) unmountRaw(path, MNT_DETACH);
  } catch (error) {
    if (!isKernelError(error, 'EINVAL', 'ENOENT')) throw error;
  }
  try {
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

export interface NamespaceFiles {
  readonly namespaces: readonly string[];
  /** Plain files where namespaces are expected: what a crash or a reboot left. */
  readonly stale: readonly string[];
}

/** Names of the files in a directory, which may be hundreds. None when there is no such directory. */
export function* namespaceFilesIn(directory: string): Steps<NamespaceFiles> {
  const [namespaces, stale]: [string[], string[]] = [[], []];
  for (const name of namesIn(directory)) {
    yield;
    const path = join(directory, name);
    if (isNamespaceFile(path)) namespaces.push(name);
    else if (statSync(path, { throwIfNoEntry: false })?.isFile()) stale.push(name);
  }
  return { namespaces, stale };
}

export const listNamespaces = (directory: string): readonly string[] => finish(namespaceFilesIn(directory)).namespaces;

/**
 * Starts libuv's threads now, from the namespace of the process. They start at the first asynchronous
 * file or DNS call and inherit the caller's namespace for ever, so this comes before any run().
 */
export async function prewarmThreadPool(): Promise<void> {
  const size = Math.max(1, Number(process.env.UV_THREADPOOL_SIZE) || 4);
  await Promise.all(Array.from({ length: size }, () => stat('/')));
}
