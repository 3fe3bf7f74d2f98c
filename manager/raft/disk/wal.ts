import { open, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { messageOf } from '../../../lib/errors.js';
import type { Logger } from '../../../lib/log.js';
import { WalFrame } from '../../../proto/gen/wal.js';
import type { HardState, Index, SnapshotMetadata } from '../core/types.js';
import type { LogEnd } from './end-mark.js';
import { type KeyRing, newestKey } from './file-key.js';
import { type FileId, fileName, syncFolder } from './files.js';
import { type RecoveredState, replay } from './replay.js';
import { BlankSegment, Segment } from './segment.js';
import { readSegment, type SegmentContents } from './segment-reader.js';

export interface WalOptions {
  readonly folder: string;
  readonly keys: KeyRing;
  readonly log: Logger;
  readonly segmentBytes: number;
}

/** What a segment's first frame repeats, so that those before it are not needed for it. */
export interface WalPosition {
  readonly hardState: HardState;
  readonly snapshot: SnapshotMetadata | undefined;
  readonly last: Index;
}

/** The segments of a log, as they were found: not changed yet. */
export interface RecoveredWal {
  readonly segments: readonly SegmentContents[];
  readonly state: RecoveredState;
}

/**
 * Read newest first, for each segment says where the one before it ends.
 * @param ids by sequence, oldest first
 * @param read gives the bytes of a file
 * @throws INTERNAL for damage, with file and offset; when a key is not in the ring
 */
export async function recoverWal(
  folder: string,
  ids: readonly FileId[],
  keys: KeyRing,
  read: (file: string) => Promise<Buffer> | Buffer = readFile,
): Promise<RecoveredWal> {
  const segments: SegmentContents[] = [];
  let writtenEnd: number | undefined;
  for (const id of ids.toReversed()) {
    const contents = readSegment(folder, id, await read(path.join(folder, fileName(id))), keys, writtenEnd);
    writtenEnd = contents.previousEnd;
    segments.unshift(contents);
  }
  return { segments, state: replay(folder, segments) };
}

/** The log's files: which one is written to, when the next one begins, which ones can go. */
export class Wal {
  readonly #options: WalOptions;
  /** Oldest first; the last one is #segment's. */
  readonly #ids: FileId[];
  #segment: Segment;
  #next: Promise<BlankSegment | undefined> | undefined;

  private constructor(options: WalOptions, ids: FileId[], segment: Segment) {
    this.#options = options;
    this.#ids = [...ids, segment.id];
    this.#segment = segment;
  }

  /** Goes on in a new segment behind those that were found: no frame is ever sealed where one stood. */
  static async open(options: WalOptions, { segments, state }: RecoveredWal): Promise<Wal> {
    const { folder, keys, segmentBytes } = options;
    const before = segments.at(-1);
    if (before) await cutEnd(options, before);
    const last = (state.snapshot?.index ?? 0) + state.entries.length;
    const blank = await BlankSegment.create(folder, segmentBytes);
    const id: FileId = { kind: 'wal', numbers: [(before?.id.numbers[0] ?? 0) + 1, last + 1] };
    const { hardState, snapshot } = state;
    const first = WalFrame.create({ hardState, snapshot, previousEnd: before?.end ?? 0 });
    const segment = await Segment.create(blank, id, newestKey(keys), first);
    return new Wal(
      options,
      segments.map(({ id }) => id),
      segment,
    );
  }

  /** How far it is durable, between two writes. */
  get reaches(): LogEnd {
    return { id: this.#segment.id, end: this.#segment.end };
  }

  /**
   * One frame, durable when this resolves.
   * @param now what holds before it
   */
  async write(frame: WalFrame, now: WalPosition): Promise<void> {
    const plain = WalFrame.encode(frame);
    if (!this.#segment.fits(plain.length)) await this.#rotate(now);
    await this.#segment.write(plain);
    if (this.#segment.halfFull) this.#next ??= this.#prepare();
  }

  async #rotate({ hardState, snapshot, last }: WalPosition): Promise<void> {
    const { folder, keys, segmentBytes } = this.#options;
    const full = this.#segment;
    const blank = (await this.#next) ?? (await BlankSegment.create(folder, segmentBytes));
    this.#next = undefined;
    const id: FileId = { kind: 'wal', numbers: [full.id.numbers[0] + 1, last + 1] };
    const first = WalFrame.create({ hardState, snapshot, previousEnd: full.end });
    this.#segment = await Segment.create(blank, id, newestKey(keys), first);
    this.#ids.push(id);
    await full.close();
  }

  /** Nothing is in the file yet: if it cannot be made now, it is made when it is needed. */
  async #prepare(): Promise<BlankSegment | undefined> {
    const { folder, segmentBytes, log } = this.#options;
    try {
      return await BlankSegment.create(folder, segmentBytes);
    } catch (error) {
      log.error({ folder, err: error }, `cannot prepare the next segment of the log: ${messageOf(error)}`);
      return undefined;
    }
  }

  /**
   * Removes the segments whose entries are all covered, or void since a snapshot replaced them, oldest
   * first: what is left never has a gap. Each removal is durable before the next.
   */
  async removeBefore(covered: Index, replaced: boolean): Promise<void> {
    const { folder, log } = this.#options;
    for (let next = this.#ids[1]; next && (replaced || next.numbers[1] <= covered + 1); next = this.#ids[1]) {
      const file = path.join(folder, fileName(this.#ids[0] as FileId));
      try {
        await rm(file, { force: true });
        await syncFolder(folder);
      } catch (error) {
        log.error({ file, err: error }, 'cannot remove a segment that is not needed any more');
        return;
      }
      this.#ids.shift();
    }
  }

  async close(): Promise<void> {
    await this.#segment.close();
    await (await this.#next)?.discard();
  }
}

/**
 * Cuts off what is not a whole frame, and makes durable what is: frames that were read from the page
 * cache only must not be lost after somebody has been told of them.
 */
async function cutEnd({ folder, log }: WalOptions, { id, end, torn }: SegmentContents): Promise<void> {
  const name = path.join(folder, fileName(id));
  if (torn) log.warn({ file: name, offset: end }, 'cut off a write that was never acknowledged');
  const file = await open(name, 'r+');
  try {
    await file.truncate(end);
    await file.sync();
  } finally {
    await file.close();
  }
}
