import { open, readdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { damaged, encodeRecord, MAGIC_BYTES, readRecord } from './record.js';
import { syncFolder } from './segment.js';

const MAGIC = Buffer.from('tsswsnp1');
const NAME = /^snapshot-(\d{16})$/;
const TEMPORARY = 'snapshot.tmp';

const snapshotName = (index: number): string => `snapshot-${String(index).padStart(16, '0')}`;

/** Indexes of the snapshots in a folder, newest first. */
export async function listSnapshots(folder: string): Promise<number[]> {
  const indexes = (await readdir(folder)).flatMap((name) => {
    const match = NAME.exec(name);
    return match ? [Number(match[1])] : [];
  });
  return indexes.sort((a, b) => b - a);
}

/** Writes a snapshot so that it is there whole or not at all: a record per chunk, an empty one at the end. */
export async function writeSnapshot(folder: string, index: number, chunks: Iterable<Uint8Array>): Promise<void> {
  const temporary = path.join(folder, TEMPORARY);
  const file = await open(temporary, 'w');
  try {
    await file.writeFile(MAGIC);
    for (const chunk of chunks) await file.writeFile(encodeRecord(index, [chunk]));
    await file.writeFile(encodeRecord(index, []));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path.join(folder, snapshotName(index)));
  await syncFolder(folder);
}

/** @throws INTERNAL for damage, with file and offset */
export async function* readSnapshot(folder: string, index: number): AsyncGenerator<Uint8Array> {
  const name = path.join(folder, snapshotName(index));
  const file = await readFile(name);
  if (!file.subarray(0, MAGIC_BYTES).equals(MAGIC)) throw damaged(name, 0, 'it does not begin as a snapshot');
  for (let offset = MAGIC_BYTES; ; ) {
    const record = readRecord(file, offset);
    if (record === 'torn' || record === 'damaged') throw damaged(name, offset, 'a record is cut off or altered');
    if (record.firstIndex !== index) throw damaged(name, offset, `it is of a snapshot at ${record.firstIndex}`);
    if (record.payloads.length === 0) return;
    yield* record.payloads;
    offset = record.end;
  }
}

/** Removes snapshots older than `index`, and what a crash left half written. */
export async function removeOldSnapshots(folder: string, index: number): Promise<void> {
  await rm(path.join(folder, TEMPORARY), { force: true });
  for (const old of await listSnapshots(folder))
    if (old < index) await rm(path.join(folder, snapshotName(old)), { force: true });
}
