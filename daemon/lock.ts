import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import koffi from 'koffi';
import { failedPrecondition, internal } from '../lib/errors.js';

const LOCK_EX = 2;
const LOCK_NB = 4;
const EWOULDBLOCK = 11;

/**
 * Makes this process the only tsswarmd that uses a folder. The lock is flock(2)'s: it goes with the
 * process however that ends, and its children do not inherit it (node opens files close-on-exec).
 * @returns what gives the lock back
 * @throws FAILED_PRECONDITION with the pid of who has it
 */
export function lockFolder(folder: string): () => void {
  const file = path.join(folder, 'tsswarmd.lock');
  // Opened without truncation: it holds the pid of who has the lock.
  const fd = openSync(file, 'a+', 0o600);
  const flock = koffi.load(null).func('int flock(int fd, int operation)');
  if (flock(fd, LOCK_EX | LOCK_NB) !== 0) {
    const errno = koffi.errno();
    const holder = readFileSync(file, 'utf8').trim();
    closeSync(fd);
    if (errno !== EWOULDBLOCK) throw internal(`cannot lock ${file} (errno ${errno})`);
    throw failedPrecondition(`another tsswarmd (pid ${holder || 'unknown'}) uses ${folder}`, {
      value: folder,
      hint: 'Stop it, or give this one a --data-root and a --run-root of its own.',
    });
  }
  ftruncateSync(fd);
  writeSync(fd, `${process.pid}\n`);
  return () => closeSync(fd);
}
