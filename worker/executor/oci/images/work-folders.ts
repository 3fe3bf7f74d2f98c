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
    const folder = await mkdtemp(join(parent, 'work-'));
    const lock = await open(join(folder, 'lock'), 'a', 0o600);
    tryLock(lock);
    return new WorkFolders(folder, lock);
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

async function removeIfAbandoned(folder: string): Promise<void> {
  let lock: FileHandle;
  try {
    lock = await open(join(folder, 'lock'), 'r');
  } catch (error) {
    // Just made and not locked yet, or just deleted.
    if (errnoOf(error) === 'ENOENT') return;
    throw error;
  }
  try {
    if (tryLock(lock)) await removeTree(folder);
  } finally {
    await lock.close();
  }
}

/** Root filesystems are large: a child deletes them, and never what is mounted there. */
async function removeTree(folder: string): Promise<void> {
  await runTool('rm', ['-rf', '--one-file-system', folder]);
}
