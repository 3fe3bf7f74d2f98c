import { closeSync, constants, fstat, openSync, type Stats } from 'node:fs';
import { promisify } from 'node:util';
import koffi from 'koffi';
import { failedPrecondition } from '../../../../lib/errors.js';
import { isKernelError } from '../../../../netlb/kernel/errors.js';
import { check } from '../../../../netlb/kernel/syscalls.js';
import { readSmallFile } from './small-file.js';

/** asm-generic/unistd.h: the same on all architectures. */
const SYS_OPENAT2 = 437;
/** linux/openat2.h, asm-generic/fcntl.h */
const RESOLVE_IN_ROOT = 0x10;
const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;
/** Renames beside may make the kernel give up on a path with `..`. */
const ATTEMPTS = 32;
const PATH_MAX = 4096;

function bindLibc() {
  const libc = koffi.load(null);
  return {
    openat2: libc.func(
      'int64_t syscall(int64_t number, int fd, const char *path, const uint8_t *how, size_t size)',
    ) as Call,
    readlinkat: libc.func('int64_t readlinkat(int fd, const char *path, _Out_ uint8_t *buffer, size_t size)') as Call,
    mknodat: libc.func('int mknodat(int fd, const char *path, uint32_t mode, uint64_t device)') as Call,
  };
}

interface Call {
  async(...args: readonly unknown[]): void;
}

let bound: ReturnType<typeof bindLibc> | undefined;

function libc(): ReturnType<typeof bindLibc> {
  bound ??= bindLibc();
  return bound;
}

/**
 * A system call in node's thread pool, like those of node's file system: a dead network mount in a container must not
 * stop the event loop. @throws KernelError
 */
function call(what: Call, args: readonly unknown[], operation: string): Promise<number> {
  return new Promise((resolve, reject) => {
    what.async(...args, (error: unknown, result: number | bigint) => {
      try {
        if (error) throw error;
        // errno is this call's, in here only.
        resolve(check(result, operation));
      } catch (reason) {
        reject(reason);
      }
    });
  });
}

export interface ResolveOptions {
  /** Whether a link at the end of the path is followed, and not opened itself. */
  readonly follow: boolean;
  /** Only a folder will do. */
  readonly folder?: boolean;
}

/**
 * The root of a container's files. The kernel resolves each path within it, as if it were chroot(2)ed there: absolute
 * links start at it and no `..` leaves it, even while processes in the container change links or move folders
 * (openat2(2), RESOLVE_IN_ROOT). Everything else goes through the descriptors that this gives.
 */
export class ContainerRoot {
  readonly #fd: number;

  /** @param path a folder of ours, or /proc/<pid>/root: then with all that is mounted for that process */
  constructor(path: string) {
    this.#fd = openSync(path, constants.O_DIRECTORY | O_PATH);
  }

  /**
   * A descriptor that stands for the path, with which nothing is read or written yet (O_PATH). The caller closes it.
   * @throws KernelError ENOENT, ENOTDIR, ELOOP …
   */
  async resolve(path: string, { follow, folder = false }: ResolveOptions): Promise<number> {
    const flags = O_PATH | O_CLOEXEC | (follow ? 0 : constants.O_NOFOLLOW) | (folder ? constants.O_DIRECTORY : 0);
    for (let attempt = 1; ; attempt++) {
      try {
        return await openIn(this.#fd, path, flags);
      } catch (error) {
        if (isKernelError(error, 'ENOSYS')) {
          throw failedPrecondition('this kernel cannot resolve paths safely in a container', {
            hint: 'It takes Linux 5.6 or newer.',
            cause: error,
          });
        }
        if (!isKernelError(error, 'EAGAIN') || attempt === ATTEMPTS) throw error;
      }
    }
  }

  /** A regular file's text; '' when there is none. @throws FAILED_PRECONDITION for one that is too large */
  async readText(path: string): Promise<string> {
    let fd: number;
    try {
      fd = await this.resolve(path, { follow: true });
    } catch (error) {
      if (isKernelError(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return '';
      throw error;
    }
    try {
      // A device does things when it is opened.
      return (await statOf(fd)).isFile() ? await readSmallFile(`/proc/self/fd/${fd}`, path) : '';
    } finally {
      closeSync(fd);
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** openat2(2) with struct open_how. */
function openIn(root: number, path: string, flags: number): Promise<number> {
  const how = Buffer.alloc(24);
  how.writeBigUInt64LE(BigInt(flags), 0);
  how.writeBigUInt64LE(BigInt(RESOLVE_IN_ROOT), 16);
  return call(libc().openat2, [SYS_OPENAT2, root, path, how, how.length], `open ${path}`);
}

/** What is behind a descriptor. */
export const statOf: (fd: number) => Promise<Stats> = promisify(fstat);

/** Where a symbolic link leads that was opened itself: readlinkat(2) with an empty path. */
export async function linkTarget(fd: number): Promise<string> {
  const buffer = Buffer.alloc(PATH_MAX);
  const length = await call(libc().readlinkat, [fd, '', buffer, buffer.length], 'read link');
  return buffer.toString('utf8', 0, length);
}

/** A node of a device or a fifo: mknodat(2). @param mode with the bits of its type @throws KernelError */
export async function makeNode(folder: number, name: string, mode: number, device: number): Promise<void> {
  await call(libc().mknodat, [folder, name, mode, device], `make ${name}`);
}
