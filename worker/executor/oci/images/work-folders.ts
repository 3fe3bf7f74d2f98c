import { type FileHandle, mkdir, mkdtemp, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../../../lib/errors.js';
import { tryLock } from '../file-lock.js';
import { runTool } from '../tool.js';

/**
 * Temporary folders in a place that several processes share. Each process has one folder of its own
 * with a locked file in it: a folder whose file can be locked was left by a process that is gone.
 */
export class WorkFolders {
  readonly #folder: string;
  readonly #lock: FileHandle;

  private constructor(folder: string, lock: FileHandle) {
    this.#folder = folder;
    this.#lock = lock;
  }

  static async open(parent: string): Promise<WorkFolders> {
    await mkdir(parent, { recursive: true });
    for (const name of await readdir(parent)) await removeIfAbandoned(join(parent, name));
    for (;;) {
      const folder = await mkdtemp(join(parent, 'work-'));
      const lock = await lockNew(folder);
      if (lock) return new WorkFolders(folder, lock);
    }
  }

  /** Runs `work` with a new empty folder that is deleted afterwards. */
  async use<T>(work: (folder: string) => Promise<T>): Promise<T> {
    const folder = await mkdtemp(join(this.#folder, 'task-'));
    try {
      return await work(folder);
    } finally {
      await removeTree(folder);
    }
  }

  async close(): Promise<void> {
    await removeTree(this.#folder);
    await this.#lock.close();
  }
}

/** Undefined when a process that begins just now has seen the folder before its lock was taken: it removes it. */
async function lockNew(folder: string): Promise<FileHandle | undefined> {
  const lock = await openIfThere(join(folder, 'lock'), 'a');
  if (!lock) return undefined;
  if (tryLock(lock) && (await lock.stat()).nlink > 0) return lock;
  await lock.close();
  return undefined;
}

async function removeIfAbandoned(folder: string): Promise<void> {
  const lock = await openIfThere(join(folder, 'lock'), 'r');
  // Just made and not locked yet, or just deleted.
  if (!lock) return;
  try {
    if (tryLock(lock)) await removeTree(folder);
  } finally {
    await lock.close();
  }
}

async function openIfThere(path: string, flags: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, flags, 0o600);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Root filesystems are large: a child deletes them, and never what is mounted there. */
async function removeTree(folder: string): Promise<void> {
  await runTool('rm', ['-rf', '--one-file-system', folder]);
}
