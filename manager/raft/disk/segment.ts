import { constants } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { WalFrame } from '../../../proto/gen/wal.js';
import { FIRST_FRAME, newHeader } from './file-header.js';
import type { FileKey, StorageKey } from './file-key.js';
import { type FileId, fileName, syncFolder, writeAt } from './files.js';
import { encodeFrame, frameBytes } from './frame.js';

const TEMPORARY = 'wal-next.tmp';
const FILL = Buffer.alloc(1024 * 1024);
/** Each write is durable when it ends (open(2), O_DSYNC): one way into the kernel and back instead of fdatasync's two. */
const DURABLE = constants.O_RDWR | constants.O_DSYNC;

/** A file of zeros, durable, that is to become a segment. A log has one at most. */
export class BlankSegment {
  readonly folder: string;
  readonly file: FileHandle;
  readonly bytes: number;

  private constructor(folder: string, file: FileHandle, bytes: number) {
    this.folder = folder;
    this.file = file;
    this.bytes = bytes;
  }

  /** Zeros are really written: in a file with holes each write would have to commit new blocks, too. */
  static async create(folder: string, bytes: number): Promise<BlankSegment> {
    const name = path.join(folder, TEMPORARY);
    const file = await open(name, 'w', 0o600);
    try {
      for (let at = 0; at < bytes; at += FILL.length)
        await writeAt(file, FILL.subarray(0, Math.min(FILL.length, bytes - at)), at);
      await file.sync();
    } finally {
      await file.close();
    }
    return new BlankSegment(folder, await open(name, DURABLE), bytes);
  }

  async discard(): Promise<void> {
    await this.file.close();
    await rm(path.join(this.folder, TEMPORARY), { force: true });
  }
}

/** The segment that is written to. After a failure nothing may be done with it. */
export class Segment {
  readonly id: FileId;
  readonly #file: FileHandle;
  readonly #bytes: number;
  readonly #key: FileKey;
  #frames = 0;
  #end = FIRST_FRAME;

  private constructor(id: FileId, blank: BlankSegment, key: FileKey) {
    this.id = id;
    this.#file = blank.file;
    this.#bytes = blank.bytes;
    this.#key = key;
  }

  /** Header and first frame are durable before the file gets its name: no crash leaves a segment without them. */
  static async create(blank: BlankSegment, id: FileId, key: StorageKey, first: WalFrame): Promise<Segment> {
    const { sector, fileKey } = newHeader(id, key);
    const segment = new Segment(id, blank, fileKey);
    await writeAt(blank.file, sector, 0);
    await segment.write(WalFrame.encode(first));
    await rename(path.join(blank.folder, TEMPORARY), path.join(blank.folder, fileName(id)));
    await syncFolder(blank.folder);
    return segment;
  }

  /** Offset after the last frame. */
  get end(): number {
    return this.#end;
  }

  get halfFull(): boolean {
    return this.#end >= this.#bytes / 2;
  }

  /** A segment with no more than its first frame takes any frame, and grows: it may be larger than a segment. */
  fits(plainLength: number): boolean {
    return this.#frames === 1 || this.#end + frameBytes(plainLength) <= this.#bytes;
  }

  /** One frame, durable when this resolves. */
  async write(plain: Uint8Array): Promise<void> {
    const frame = encodeFrame(this.#key, this.#frames++, plain);
    await writeAt(this.#file, frame, this.#end);
    this.#end += frame.length;
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
