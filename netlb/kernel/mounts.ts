import { readFileSync, realpathSync } from 'node:fs';
import { errnoOf, failedPrecondition, invalidArgument } from '../../lib/errors.js';
import { isKernelError } from './errors.js';
import { MNT_DETACH, mountRaw, unmountRaw } from './syscalls.js';

/** Values of linux/mount.h. */
const MS_RDONLY = 1;
export const MS_NOSUID = 2;
export const MS_NODEV = 4;
export const MS_NOEXEC = 8;
const MS_REMOUNT = 32;
const MS_BIND = 4096;
const MS_REC = 16384;

/** mount(2) takes one page of options, with its NUL. */
const MAX_OPTIONS = 4095;

export interface Mount {
  readonly source: string;
  readonly target: string;
  readonly type: string;
}

export interface OverlayMount {
  /** Read-only layers, the topmost first. */
  readonly lower: readonly string[];
  readonly upper: string;
  /** Empty directory on the file system of `upper`. */
  readonly work: string;
  readonly target: string;
  /**
   * Nothing written there has to survive a crash of the machine: fsync and unmount do not wait for
   * the disk (overlayfs.rst, "Volatile mount"). `work` cannot be mounted a second time.
   */
  readonly volatile?: boolean | undefined;
}

export interface TmpfsMount {
  readonly target: string;
  /** "64m", "1g"; half of the memory unless given. */
  readonly size?: string | undefined;
  /** 0o755 unless given. */
  readonly mode?: number | undefined;
  /** MS_* flags. */
  readonly flags?: number | undefined;
}

export interface BindMount {
  readonly source: string;
  readonly target: string;
  readonly readOnly?: boolean | undefined;
  /** With the mounts below `source`. */
  readonly recursive?: boolean | undefined;
}

/** overlayfs separates options by commas and layers by colons; a backslash takes their meaning away. */
const escapePath = (path: string): string => path.replace(/[\\,]/g, '\\$&');
const escapeLayer = (path: string): string => path.replace(/[\\,:]/g, '\\$&');

/** @throws INVALID_ARGUMENT when the paths together are longer than mount(2) takes */
export function overlayOptions({ lower, upper, work, volatile = false }: Omit<OverlayMount, 'target'>): string {
  const options = [
    `lowerdir=${lower.map(escapeLayer).join(':')}`,
    `upperdir=${escapePath(upper)}`,
    `workdir=${escapePath(work)}`,
    ...(volatile ? ['volatile'] : []),
  ].join(',');
  if (Buffer.byteLength(options) > MAX_OPTIONS)
    throw invalidArgument(`the paths of ${lower.length} image layers are too long for one overlay mount`, {
      value: lower.join(':'),
      hint: `Use a shorter data folder or fewer layers: all paths together may have ${MAX_OPTIONS} bytes.`,
    });
  return options;
}

/** @throws KernelError */
export function mountOverlay(overlay: OverlayMount): void {
  mountRaw('overlay', overlay.target, 'overlay', 0, overlayOptions(overlay));
}

/** @throws KernelError */
export function mountTmpfs({ target, size, mode = 0o755, flags = MS_NOSUID | MS_NODEV }: TmpfsMount): void {
  const options = [`mode=${mode.toString(8)}`, ...(size === undefined ? [] : [`size=${size}`])];
  mountRaw('tmpfs', target, 'tmpfs', flags, options.join(','));
}

/** @throws KernelError */
export function bindMount({ source, target, readOnly = false, recursive = false }: BindMount): void {
  mountRaw(source, target, 'none', MS_BIND | (recursive ? MS_REC : 0), '');
  if (!readOnly) return;
  try {
    // The first call ignores every flag but these two.
    mountRaw(source, target, 'none', MS_BIND | MS_REMOUNT | MS_RDONLY, '');
  } catch (error) {
    unmountRaw(target, MNT_DETACH);
    throw error;
  }
}

/**
 * Unmounts the topmost mount on `target`; fine when there is none.
 * @param options lazy: at once from the tree, and in the kernel when its last user has gone
 * @throws KernelError EBUSY when it is in use and not lazy
 */
export function unmount(target: string, { lazy = false }: { readonly lazy?: boolean } = {}): void {
  try {
    unmountRaw(target, lazy ? MNT_DETACH : 0);
  } catch (error) {
    if (!isKernelError(error, 'EINVAL', 'ENOENT')) throw error;
  }
}

/** Spaces, tabs, newlines and backslashes are octal there: "\040". */
const unescapeField = (field: string): string =>
  field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

/** Parses /proc/self/mountinfo (proc_pid_mountinfo(5)): oldest first, so the last of a target is on top. */
export function parseMountInfo(text: string): Mount[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      // Optional fields come before a lone hyphen; type and source after it.
      const fields = line.split(' ');
      const separator = fields.indexOf('-', 6);
      const field = (index: number): string => unescapeField(fields[index] ?? '');
      return { source: field(separator + 2), target: field(4), type: field(separator + 1) };
    });
}

const below = (prefix: string, path: string): boolean =>
  path === prefix || path.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`);

/** Mounts on a path and below it, oldest first: unmount in reverse. */
export function listMounts(prefix: string): Mount[] {
  return parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8')).filter(({ target }) => below(prefix, target));
}

/**
 * Unmounts all that is mounted on a path or below it, lazily; fine when there is nothing.
 * @throws FAILED_PRECONDITION when a mount stays: who deletes the path then would delete what is mounted
 */
export function unmountBelow(path: string): void {
  let real: string;
  try {
    real = realpathSync(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw error;
  }
  for (const { target } of listMounts(real).reverse()) unmount(target, { lazy: true });
  const [left] = listMounts(real);
  if (left) throw failedPrecondition(`${left.target} is still mounted`, { value: left.target });
}

/** False also for a path that does not exist. */
export function isMountPoint(path: string): boolean {
  let real: string;
  try {
    real = realpathSync(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
  return listMounts(real).some(({ target }) => target === real);
}
