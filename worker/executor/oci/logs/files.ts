import { closeSync, constants, openSync, statSync, writeSync } from 'node:fs';
import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errnoOf } from '../../../../lib/errors.js';

/** A message of the fifo `ctl`: conmon opens its log anew, by its name. */
const REOPEN = '2 0 0\n';

/** How many there may be, and how large each. */
export interface LogLimits {
  readonly maxBytes: number;
  readonly maxFiles: number;
}

/**
 * The files of a log, the oldest first: `NAME.2`, `NAME.1`, `NAME`. They are opened in the other order: one that is
 * renamed meanwhile is met twice, and none is missed. The caller closes them.
 */
export async function openLogs(file: string): Promise<FileHandle[]> {
  const found: FileHandle[] = [];
  const seen = new Set<number>();
  try {
    for (const path of [file, ...(await rotatedFiles(file)).map(({ path }) => path)]) {
      const handle = await openIfThere(path);
      if (!handle) continue;
      const { ino } = await handle.stat();
      if (seen.has(ino)) await handle.close();
      else found.push(handle);
      seen.add(ino);
    }
  } catch (error) {
    await Promise.all(found.map((handle) => handle.close()));
    throw error;
  }
  return found.reverse();
}

/**
 * Begins the next file when this one has reached its size. Nothing is lost: conmon writes to the file by its
 * descriptor until it opens the new one. What was interrupted is finished by the next call.
 * @param control conmon's fifo
 * @param awaited conmon was told to open the new file by an earlier call: told twice it would begin that one anew
 * @returns whether that is awaited now
 */
export async function rotateLog(
  file: string,
  control: string,
  { maxBytes, maxFiles }: LogLimits,
  awaited = false,
): Promise<boolean> {
  // Asked every second of every container: that another thread does it would cost more than it takes.
  const facts = statSync(file, { throwIfNoEntry: false });
  if (facts ? facts.size < maxBytes : awaited) return facts === undefined;
  const monitor = openFifo(control);
  // Nobody writes any more.
  if (monitor === undefined) return false;
  try {
    if (facts) {
      for (const { path, number } of shifted(await rotatedFiles(file))) await rename(path, `${file}.${number + 1}`);
      await rename(file, `${file}.1`);
    }
    writeSync(monitor, REOPEN);
  } catch (error) {
    // It has just ended.
    if (errnoOf(error) !== 'EPIPE') throw error;
  } finally {
    closeSync(monitor);
  }
  const beyond = (await rotatedFiles(file)).filter(({ number }) => number >= maxFiles);
  await Promise.all(beyond.map(({ path }) => rm(path, { force: true })));
  return true;
}

/** Those that stand in the way of the next, the last of them first: a gap ends them. */
function shifted(rotated: readonly RotatedFile[]): readonly RotatedFile[] {
  const gap = rotated.findIndex(({ number }, index) => number !== index + 1);
  return (gap < 0 ? [...rotated] : rotated.slice(0, gap)).reverse();
}

interface RotatedFile {
  readonly path: string;
  readonly number: number;
}

/** The newest first. */
async function rotatedFiles(file: string): Promise<readonly RotatedFile[]> {
  const prefix = `${basename(file)}.`;
  const names = await readdir(dirname(file));
  return names
    .filter((name) => name.startsWith(prefix) && /^[1-9]\d*$/.test(name.slice(prefix.length)))
    .map((name) => ({ path: join(dirname(file), name), number: Number(name.slice(prefix.length)) }))
    .sort((a, b) => a.number - b.number);
}

/** Undefined when nobody reads it. */
function openFifo(path: string): number | undefined {
  try {
    return openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (['ENOENT', 'ENXIO'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

export async function statIfThere(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
