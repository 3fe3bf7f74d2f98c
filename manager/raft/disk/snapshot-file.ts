import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { errnoOf } from '../../../lib/errors.js';
import { SnapshotFrame } from '../../../proto/gen/wal.js';
import type { SnapshotMetadata } from '../core/types.js';
import { FIRST_FRAME, newHeader, openHeader } from './file-header.js';
import type { KeyRing, StorageKey } from './file-key.js';
import { damaged, type FileId, fileName, readAt, writeAt } from './files.js';
import { encodeFrame, readFrame, SECTOR, soundExtent } from './frame.js';

export function snapshotId({ term, index }: SnapshotMetadata): FileId {
  return { kind: 'snapshot', numbers: [term, index] };
}

let temporaries = 0;

/** Writes a snapshot under a name that `publish` is still to give it. One chunk is in memory at a time. */
export async function writeSnapshotFile(
  folder: string,
  key: StorageKey,
  metadata: SnapshotMetadata,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<string> {
  const id = snapshotId(metadata);
  const temporary = path.join(folder, `${fileName(id)}.${++temporaries}.tmp`);
  const file = await open(temporary, 'wx', 0o600);
  try {
    await writeFrames(file, id, key, metadata, chunks, signal);
    await file.sync();
    signal.throwIfAborted();
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  return temporary;
}

async function writeFrames(
  file: FileHandle,
  id: FileId,
  key: StorageKey,
  metadata: SnapshotMetadata,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const { sector, fileKey } = newHeader(id, key);
  await writeAt(file, sector, 0);
  let end = FIRST_FRAME;
  let frames = 0;
  const write = async (fields: Partial<SnapshotFrame>): Promise<void> => {
    signal.throwIfAborted();
    const frame = encodeFrame(fileKey, frames++, SnapshotFrame.encode(SnapshotFrame.create(fields)));
    await writeAt(file, frame, end);
    end += frame.length;
  };
  await write({ metadata });
  for await (const chunk of chunks) await write({ chunk });
  await write({ end: true });
}

/**
 * The chunks as they were given. One is in memory at a time.
 * @throws INTERNAL for damage, with file and offset; when the key is not in the ring
 */
export async function* readSnapshotFile(
  folder: string,
  keys: KeyRing,
  metadata: SnapshotMetadata,
): AsyncGenerator<Uint8Array> {
  const id = snapshotId(metadata);
  const name = path.join(folder, fileName(id));
  const file = await open(name, 'r').catch((error: unknown) => {
    throw errnoOf(error) === 'ENOENT' ? damaged(name, 0, 'the snapshot is missing') : error;
  });
  try {
    for await (const { frame, offset, first } of readFrames(folder, id, file, keys)) {
      if (first !== (frame.metadata !== undefined)) throw damaged(name, offset, 'its metadata is not where it belongs');
      if (frame.end) return;
      if (frame.chunk) yield frame.chunk;
    }
  } finally {
    await file.close();
  }
}

interface ReadFrame {
  readonly frame: SnapshotFrame;
  readonly offset: number;
  readonly first: boolean;
}

async function* readFrames(folder: string, id: FileId, file: FileHandle, keys: KeyRing): AsyncGenerator<ReadFrame> {
  const name = path.join(folder, fileName(id));
  const key = openHeader(folder, id, await readAt(file, FIRST_FRAME, 0), keys);
  for (let offset = FIRST_FRAME, counter = 0; ; counter++) {
    const head = await readAt(file, SECTOR, offset);
    const extent = soundExtent(head, 0) ?? SECTOR;
    const result = readFrame(extent > SECTOR ? await readAt(file, extent, offset) : head, 0, counter);
    if (result.is === 'damaged') throw damaged(name, offset, result.what);
    if (result.is !== 'frame') throw damaged(name, offset, 'it is cut off there');
    const plain = key.open(counter, result.sealed);
    if (!plain) throw damaged(name, offset, 'a frame cannot be opened: it was altered, or sealed with another key');
    yield { frame: SnapshotFrame.decode(plain), offset, first: counter === 0 };
    offset += result.end;
  }
}

/** Gives a whole snapshot its name; durable when the folder is synced. */
export function publishSnapshot(folder: string, temporary: string, metadata: SnapshotMetadata): Promise<void> {
  return rename(temporary, path.join(folder, fileName(snapshotId(metadata))));
}
