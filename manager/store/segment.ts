import { type FileHandle, open, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { damaged, encodeRecord, MAGIC_BYTES, readRecord } from './record.js';

const MAGIC = Buffer.from('tsswlog1');
const NAME = /^log-(\d{16})$/;

export const segmentName = (firstIndex: number): string => `log-${String(firstIndex).padStart(16, '0')}`;

/** The first index that a segment's name gives; undefined for another file. */
export function segmentFirstIndex(name: string): number | undefined {
  const match = NAME.exec(name);
  return match ? Number(match[1]) : undefined;
}

/** One file of the log, open for appending. */
export class Segment {
  readonly firstIndex: number;
  readonly #file: FileHandle;
  #size: number;

  private constructor(firstIndex: number, file: FileHandle, size: number) {
    this.firstIndex = firstIndex;
    this.#file = file;
    this.#size = size;
  }

  /** Makes the file and its name durable. After a failure call `discard` before anything else. */
  static async create(folder: string, firstIndex: number): Promise<Segment> {
    const file = await open(path.join(folder, segmentName(firstIndex)), 'w');
    try {
      await file.write(MAGIC, 0, MAGIC.length, 0);
      await file.sync();
      await syncFolder(folder);
    } catch (error) {
      await file.close();
      throw error;
    }
    return new Segment(firstIndex, file, MAGIC.length);
  }

  /** Takes back what a failed `create` may have left: later entries must not come to stand before it. */
  static async discard(folder: string, firstIndex: number): Promise<void> {
    await rm(path.join(folder, segmentName(firstIndex)), { force: true });
    await syncFolder(folder);
  }

  /** Opens a file that was read up to `size`; what follows is cut off. */
  static async reopen(folder: string, firstIndex: number, size: number): Promise<Segment> {
    const file = await open(path.join(folder, segmentName(firstIndex)), 'r+');
    const stat = await file.stat();
    if (stat.size > size) {
      await file.truncate(size);
      await file.sync();
    }
    return new Segment(firstIndex, file, size);
  }

  get size(): number {
    return this.#size;
  }

  /** Not durable before `sync`. After a failure call `cutBack` before anything else. */
  async append(firstIndex: number, payloads: readonly Uint8Array[]): Promise<void> {
    const record = encodeRecord(firstIndex, payloads);
    for (let at = 0; at < record.length; ) {
      at += (await this.#file.write(record, at, record.length - at, this.#size + at)).bytesWritten;
    }
    this.#size += record.length;
  }

  /** Takes back what a failed append may have written. */
  cutBack(): Promise<void> {
    return this.#file.truncate(this.#size);
  }

  sync(): Promise<void> {
    return this.#file.datasync();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

export interface SegmentContents {
  readonly entries: readonly { readonly index: number; readonly payload: Buffer }[];
  /** Bytes up to the end of the last whole record; 0 when not even the magic is whole. */
  readonly size: number;
  /** Bytes of a record that was never finished. */
  readonly torn: number;
}

/** Whether a file of the log was begun and never written to. */
export async function isEmptySegment(folder: string, firstIndex: number): Promise<boolean> {
  return (await stat(path.join(folder, segmentName(firstIndex)))).size <= MAGIC_BYTES;
}

/**
 * @param newest whether it is the log's last file: only there may the end be torn
 * @throws INTERNAL for damage, with file and offset
 */
export async function readSegment(folder: string, firstIndex: number, newest: boolean): Promise<SegmentContents> {
  const name = path.join(folder, segmentName(firstIndex));
  const file = await readFile(name);
  // A file that a crash left without its first bytes: nothing was ever acknowledged from it.
  if (newest && (file.length < MAGIC_BYTES || file.every((byte) => byte === 0)))
    return { entries: [], size: 0, torn: file.length };
  if (!file.subarray(0, MAGIC_BYTES).equals(MAGIC)) throw damaged(name, 0, 'it does not begin as a log file');
  const entries: { index: number; payload: Buffer }[] = [];
  let offset = MAGIC_BYTES;
  let index = firstIndex;
  while (offset < file.length) {
    const record = readRecord(file, offset);
    if (record === 'torn' && newest) break;
    if (record === 'torn') throw damaged(name, offset, 'a record is cut off, but later files exist');
    if (record === 'damaged') throw damaged(name, offset, 'a checksum does not match');
    if (record.firstIndex !== index)
      throw damaged(name, offset, `entry ${index} is expected there, but it is ${record.firstIndex}`);
    for (const payload of record.payloads) entries.push({ index: index++, payload });
    offset = record.end;
  }
  return { entries, size: offset, torn: file.length - offset };
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
