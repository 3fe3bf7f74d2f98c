import { type FileHandle, mkdir, open, readdir } from 'node:fs/promises';
import path from 'node:path';
import { internal, type SwarmError } from '../../../lib/errors.js';

/** What a file is and the two numbers in its name: a segment's sequence and first index, a snapshot's term and index. */
export interface FileId {
  readonly kind: 'wal' | 'snapshot';
  readonly numbers: readonly [number, number];
}

const NAME = /^(wal|snapshot)-(\d{16})-(\d{16})$/;
const TEMPORARY = /^(wal|snapshot)-.*\.tmp$/;

export function fileName({ kind, numbers: [first, second] }: FileId): string {
  return `${kind}-${String(first).padStart(16, '0')}-${String(second).padStart(16, '0')}`;
}

/** Undefined for a file that is not ours, or not finished. */
function parseFileName(name: string): FileId | undefined {
  const match = NAME.exec(name);
  return match ? { kind: match[1] as FileId['kind'], numbers: [Number(match[2]), Number(match[3])] } : undefined;
}

/** Segments by sequence and snapshots by index, oldest first; the names of what a crash left half made. */
export async function listFolder(folder: string): Promise<{
  readonly segments: readonly FileId[];
  readonly snapshots: readonly FileId[];
  readonly temporaries: readonly string[];
}> {
  const names = await readdir(folder);
  const ids = names.flatMap((name) => parseFileName(name) ?? []);
  return {
    segments: ids.filter(({ kind }) => kind === 'wal').sort((a, b) => a.numbers[0] - b.numbers[0]),
    snapshots: ids.filter(({ kind }) => kind === 'snapshot').sort((a, b) => a.numbers[1] - b.numbers[1]),
    temporaries: names.filter((name) => TEMPORARY.test(name)),
  };
}

/** Makes creations, renames and removals in a folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes a folder and those it is in, each durable in its parent. */
export async function makeFolder(folder: string): Promise<void> {
  const made = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (made === undefined) return;
  for (let at = path.resolve(folder); at !== path.dirname(path.resolve(made)); at = path.dirname(at))
    await syncFolder(path.dirname(at));
}

export async function writeAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    at += (await file.write(bytes, at, bytes.length - at, position + at)).bytesWritten;
  }
}

/** Up to `length` bytes; fewer at the end of the file. */
export async function readAt(file: FileHandle, length: number, position: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  let at = 0;
  for (let read = -1; at < length && read !== 0; at += read) {
    read = (await file.read(bytes, at, length - at, position + at)).bytesRead;
  }
  return bytes.subarray(0, at);
}

export function damaged(file: string, offset: number, what: string): SwarmError {
  return internal(`${file} is damaged at offset ${offset}: ${what}`, {
    value: file,
    hint: 'Acknowledged data would be lost by going on. Restore the folder from a backup, or check the disk; a manager whose peers are well can be removed and join again.',
  });
}
