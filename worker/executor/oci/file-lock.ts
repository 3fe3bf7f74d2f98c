import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import koffi from 'koffi';
import { systemClock } from '../../../lib/clock.js';

// flock(2), sys/file.h. The kernel drops the lock with its descriptor: a killed holder blocks nobody.
const LOCK_EX = 2;
const LOCK_NB = 4;
const RETRY_MS = 20;

type Flock = (fd: number, operation: number) => number;
let flock: Flock | undefined;

/** Tries to take the lock on an open file; false when somebody else has it. */
export function tryLock(file: FileHandle): boolean {
  flock ??= koffi.load(null).func('int flock(int fd, int operation)') as Flock;
  return flock(file.fd, LOCK_EX | LOCK_NB) === 0;
}

/**
 * Runs `work` while it holds the lock file `path`, against all processes of the machine. Callers of
 * one process exclude each other too, as each opens the file anew.
 */
export async function withFileLock<T>(path: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  const file = await open(path, 'a', 0o600);
  try {
    while (!tryLock(file)) await systemClock.sleep(RETRY_MS, signal);
    return await work();
  } finally {
    await file.close();
  }
}
