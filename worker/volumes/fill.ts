import { closeSync } from 'node:fs';
import { chmod, chown, readdir, rm, writeFile } from 'node:fs/promises';
import { failedPrecondition, invalidArgument, messageOf } from '../../lib/errors.js';
import { isKernelError } from '../../netlb/kernel/errors.js';
import { ContainerRoot, statOf } from '../executor/oci/container/root.js';
import { exists } from '../executor/oci/images/rootfs.js';
import { runTool } from '../executor/oci/tool.js';

/** Where a volume is to be filled from. */
export interface Filling {
  /** The image's root filesystem. */
  readonly rootfs: string;
  /** The path in it, which may lead over links. */
  readonly path: string;
}

/**
 * Copies what the image has at a path into an empty volume, with owners, modes and attributes; nothing when it has
 * nothing there. A copy that was interrupted is done again.
 * @param mark a file that says so
 * @throws INVALID_ARGUMENT when it has a file there, FAILED_PRECONDITION when the volume takes no copy
 */
export async function fillVolume(data: string, mark: string, { rootfs, path }: Filling): Promise<void> {
  if ((await readdir(data)).length > 0 && !(await exists(mark))) return;
  const root = new ContainerRoot(rootfs);
  try {
    const fd = await sourceIn(root, path);
    if (fd === undefined) return;
    try {
      await copy(fd, data, mark, path);
    } finally {
      closeSync(fd);
    }
  } finally {
    root.close();
  }
}

async function copy(fd: number, data: string, mark: string, path: string): Promise<void> {
  const facts = await statOf(fd);
  if (!facts.isDirectory()) {
    throw invalidArgument(`cannot mount a volume over an existing file: file exists ${path}`, { value: path });
  }
  await writeFile(mark, '');
  try {
    await chown(data, facts.uid, facts.gid);
    await chmod(data, facts.mode & 0o7777);
    await runTool('cp', ['-a', '--', `/proc/${process.pid}/fd/${fd}/.`, data]);
  } catch (cause) {
    throw failedPrecondition(`the image's ${path} cannot be copied into the volume: ${messageOf(cause)}`, {
      value: path,
      hint: 'Mount it without: volume-nocopy.',
      cause,
    });
  }
  await rm(mark);
}

async function sourceIn(root: ContainerRoot, path: string): Promise<number | undefined> {
  try {
    return await root.resolve(path, { follow: true });
  } catch (error) {
    if (isKernelError(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
