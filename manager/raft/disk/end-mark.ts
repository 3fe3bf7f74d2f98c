import { constants } from 'node:fs';
import { type FileHandle, open, rename } from 'node:fs/promises';
import path from 'node:path';
import { Serial } from '../../../lib/async.js';
import type { Clock } from '../../../lib/clock.js';
import { errnoOf, internal, messageOf } from '../../../lib/errors.js';
import type { Logger } from '../../../lib/log.js';
import { crc32c } from './crc32c.js';
import { type FileId, fileName, readAt, syncFolder, writeAt } from './files.js';
import { FILLER, SECTOR } from './frame.js';
import type { SegmentContents } from './segment-reader.js';

const NAME = 'wal-end';
/** Renamed when it is whole; what a crash leaves of it goes with the log's other temporary files. */
const TEMPORARY = 'wal-end.tmp';
const MAGIC = Buffer.from('tsswend1');
const CRC_AT = MAGIC.length + 24;
/** Milliseconds for which the mark may lag behind the log. */
const LAG = 1_000;

/** How far a log reaches at least. */
export interface LogEnd {
  /** The last segment's; its sequence is 0 before there is any. */
  readonly id: FileId;
  /** Offset in it after the last frame. */
  readonly end: number;
}

const NOTHING: LogEnd = { id: { kind: 'wal', numbers: [0, 0] }, end: 0 };

/**
 * A file beside the log that says how far the log reached: without it nobody could tell a log whose end
 * was cut off, at the end of a frame or with its last segment, from one that had never had more.
 *
 * One sector, numbers little-endian: 8 bytes magic · u64 · u64: the numbers of the last segment's name ·
 * u64 offset after its last frame · u32 CRC32C of all this. It is written in place, at once for a new
 * segment and when the log is closed, else within a second: no write to the log waits for it. It names
 * only what is durable already, so whatever a crash leaves of it is true.
 */
export class EndMark {
  readonly #name: string;
  readonly #file: FileHandle;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #writing = new Serial();
  #marked: LogEnd;
  #reached: LogEnd;
  #cancel: (() => void) | undefined;

  private constructor(name: string, file: FileHandle, end: LogEnd, { clock, log }: { clock: Clock; log: Logger }) {
    this.#name = name;
    this.#file = file;
    this.#clock = clock;
    this.#log = log;
    this.#marked = end;
    this.#reached = end;
  }

  /**
   * @param found what `readEndMark` gave; a file is made when that is nothing
   */
  static async open(
    folder: string,
    found: LogEnd | undefined,
    options: { readonly clock: Clock; readonly log: Logger },
  ): Promise<EndMark> {
    const name = path.join(folder, NAME);
    if (!found) await create(folder);
    return new EndMark(name, await open(name, constants.O_RDWR | constants.O_DSYNC), found ?? NOTHING, options);
  }

  /** The log is durable up to there. */
  reached(end: LogEnd): void {
    this.#reached = end;
    if (end.id.numbers[0] !== this.#marked.id.numbers[0]) this.#write();
    else
      this.#cancel ??= this.#clock.after(LAG, () => {
        this.#cancel = undefined;
        this.#write();
      });
  }

  /** What was reached is marked when this resolves, unless that failed. */
  async close(): Promise<void> {
    this.#cancel?.();
    this.#write();
    await this.#writing.run(() => this.#file.close());
  }

  /** When it fails the log is none the worse for it: the mark stays behind, which is logged. */
  #write(): void {
    this.#writing
      .run(async () => {
        const end = this.#reached;
        if (end === this.#marked) return;
        await writeAt(this.#file, encode(end), 0);
        this.#marked = end;
      })
      .catch((error: unknown) =>
        this.#log.error({ file: this.#name, err: error }, `cannot mark the end of the log: ${messageOf(error)}`),
      );
  }
}

/**
 * What the folder's mark says; undefined when there is none.
 * @throws INTERNAL when it is damaged
 */
export async function readEndMark(folder: string): Promise<LogEnd | undefined> {
  const name = path.join(folder, NAME);
  let file: FileHandle;
  try {
    file = await open(name, 'r');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return decode(await readAt(file, SECTOR, 0), name, folder);
  } finally {
    await file.close();
  }
}

/**
 * @param segments as they were found, oldest first
 * @throws INTERNAL when the log does not reach as far as it once did
 */
export function checkEnd(folder: string, segments: readonly SegmentContents[], { id, end }: LogEnd): void {
  const last = segments.at(-1);
  const [sequence] = id.numbers;
  if (sequence === 0 || (last && last.id.numbers[0] > sequence)) return;
  const file = path.join(folder, fileName(id));
  if (last?.id.numbers[0] !== sequence) throw cutOff(folder, `${file} is missing: it was the last segment of the log`);
  if (last.end < end) throw cutOff(folder, `${file} ends at offset ${last.end}, but it was written up to ${end}`);
}

function cutOff(folder: string, what: string) {
  return internal(`the end of this manager's log is gone: ${what}`, {
    value: folder,
    hint:
      'Without what it has promised and voted for there it could break the promises of the whole group. While other managers ' +
      'are well: remove this node on one of them ("tsswarm node rm --force"), delete node.json in the data root here, and join ' +
      `anew. Else restore the folder from a backup. With neither, deleting ${path.join(folder, NAME)} lets it go on with what ` +
      'is left, and changes that were acknowledged stay lost.',
  });
}

async function create(folder: string): Promise<void> {
  const temporary = path.join(folder, TEMPORARY);
  const file = await open(temporary, 'w', 0o600);
  try {
    await writeAt(file, encode(NOTHING), 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path.join(folder, NAME));
  await syncFolder(folder);
}

function encode({ id, end }: LogEnd): Buffer {
  const sector = Buffer.alloc(SECTOR, FILLER);
  MAGIC.copy(sector);
  for (const [i, number] of [...id.numbers, end].entries())
    sector.writeBigUInt64LE(BigInt(number), MAGIC.length + 8 * i);
  sector.writeUInt32LE(crc32c(sector.subarray(0, CRC_AT)), CRC_AT);
  return sector;
}

function decode(sector: Buffer, name: string, folder: string): LogEnd {
  const sound =
    sector.length === SECTOR &&
    sector.subarray(0, MAGIC.length).equals(MAGIC) &&
    sector.readUInt32LE(CRC_AT) === crc32c(sector.subarray(0, CRC_AT));
  if (!sound) throw cutOff(folder, `whether it is cannot be told, for ${name} is damaged`);
  const number = (i: number) => Number(sector.readBigUInt64LE(MAGIC.length + 8 * i));
  return { id: { kind: 'wal', numbers: [number(0), number(1)] }, end: number(2) };
}
