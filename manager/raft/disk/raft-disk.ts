import { access, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Clock } from '../../../lib/clock.js';
import { messageOf, unavailable } from '../../../lib/errors.js';
import type { Logger } from '../../../lib/log.js';
import { WalFrame } from '../../../proto/gen/wal.js';
import { InvariantError } from '../core/errors.js';
import type { Entry, HardState, Index, SnapshotMetadata } from '../core/types.js';
import { checkEnd, EndMark, readEndMark } from './end-mark.js';
import { type KeyRing, newestKey } from './file-key.js';
import { damaged, type FileId, fileName, listFolder, makeFolder, syncFolder } from './files.js';
import type { RecoveredState } from './replay.js';
import { publishSnapshot, readSnapshotFile, snapshotId, writeSnapshotFile } from './snapshot-file.js';
import { recoverWal, Wal } from './wal.js';

export { type KeyRing, newStorageKey, type StorageKey } from './file-key.js';
export type { RecoveredState } from './replay.js';

export interface RaftDiskOptions {
  readonly folder: string;
  readonly keys: KeyRing;
  readonly clock: Clock;
  readonly log: Logger;
  /** How many snapshots older than the one in force are kept besides; asked each time. */
  readonly keepOldSnapshots?: () => number;
  readonly segmentBytes?: number;
  /**
   * Called when the disk failed in a way after which nobody knows what is durable. Must end the
   * process; when left out, that is an abort. A failed fsync may not be tried again: the kernel has
   * dropped the dirty pages, and the next one would succeed without them.
   */
  readonly onFatal?: (error: unknown) => void;
}

const SEGMENT_BYTES = 8 * 1024 * 1024;

/**
 * What a Raft node has to remember, sealed, in one folder: log segments and snapshots. The core's
 * order of writes (Ready) is the caller's to keep; this makes each of them durable, whole or not at all.
 */
export class RaftDisk {
  readonly #options: RaftDiskOptions;
  readonly #wal: Wal;
  readonly #mark: EndMark;
  readonly #ending = new AbortController();
  #hardState: HardState;
  /** #hardState is not in the log yet: it goes with the next frame. */
  #held = false;
  #snapshot: SnapshotMetadata | undefined;
  #last: Index;
  #busy: string | undefined;
  #closed = false;

  private constructor(options: RaftDiskOptions, wal: Wal, mark: EndMark, state: RecoveredState) {
    this.#options = options;
    this.#wal = wal;
    this.#mark = mark;
    this.#hardState = state.hardState;
    this.#snapshot = state.snapshot;
    this.#last = (state.snapshot?.index ?? 0) + state.entries.length;
  }

  /**
   * Begins or recovers a log. Nothing is changed before all of it has been read and found sound.
   * `isNew` says that there was none.
   * @throws INTERNAL for damage, with file and offset; for an end that is gone; for a file whose key is not in the ring
   */
  static async open(
    options: RaftDiskOptions,
  ): Promise<{ readonly disk: RaftDisk; readonly state: RecoveredState; readonly isNew: boolean }> {
    const { folder, keys, clock, log, segmentBytes = SEGMENT_BYTES } = options;
    await makeFolder(folder);
    const end = await readEndMark(folder);
    const { segments, snapshots, temporaries } = await listFolder(folder);
    if (segments.length === 0 && snapshots.length > 0) throw damaged(folder, 0, 'there are snapshots, but no log');
    const recovered = await recoverWal(folder, segments, keys);
    if (end) checkEnd(folder, recovered.segments, end);
    else if (segments.length > 0) log.warn({ folder }, 'nothing says how far the log reached: it is taken for whole');
    const { state } = recovered;
    if (state.snapshot) {
      const name = fileName(snapshotId(state.snapshot));
      if (!snapshots.some((id) => fileName(id) === name)) throw damaged(path.join(folder, name), 0, 'it is missing');
    }
    const mark = await EndMark.open(folder, end, { clock, log });
    const wal = await Wal.open({ folder, keys, log, segmentBytes }, recovered);
    mark.reached(wal.reaches);
    const disk = new RaftDisk(options, wal, mark, state);
    for (const name of temporaries) await disk.#remove(name);
    // A snapshot that is not older than the one in force was written, but not adopted before the crash.
    for (const id of snapshots)
      if (id.numbers[1] >= disk.#covered && !disk.#isInForce(id)) await disk.#remove(fileName(id));
    await disk.#removeUnneeded(false);
    const { snapshot, entries, hardState } = state;
    log.info({ folder, hardState, snapshot: snapshot?.index, entries: entries.length }, 'raft log is open');
    return { disk, state, isNew: segments.length === 0 };
  }

  /**
   * One write: the entries in order, then the hard state; whole or not at all after a crash. An entry
   * replaces what was at its index and cuts off what was after it, within one call too. Durable when
   * it resolves if `sync`. There is never more than one frame that is not durable: so entries always
   * are, and a hard state alone without `sync` stays in memory until the next frame. Calls must not
   * overlap each other or `adopt`.
   */
  async append(
    { entries, hardState }: { readonly entries: readonly Entry[]; readonly hardState?: HardState | undefined },
    sync: boolean,
  ): Promise<void> {
    const last = this.#lastAfter(entries);
    const commit = (hardState ?? this.#hardState).commit;
    if (commit > last) throw new InvariantError(`commit index ${commit} is past the last entry, ${last}`);
    const newest = hardState ?? (this.#held ? this.#hardState : undefined);
    if (entries.length === 0 && !(newest && sync)) {
      this.#hold(hardState);
      return;
    }
    await this.#write('append', WalFrame.create({ entries, hardState: newest }), last);
  }

  /**
   * Writes the file of a snapshot, there whole or not at all. It is not in force before `adopt`.
   * `chunks` may be slow: this runs beside everything else. What it throws is thrown on.
   */
  async writeSnapshot(
    metadata: SnapshotMetadata,
    chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const { folder, keys } = this.#options;
    const { signal } = this.#ending;
    const temporary = await writeSnapshotFile(folder, newestKey(keys), metadata, chunks, signal);
    await publishSnapshot(folder, temporary, metadata);
    await this.#orFail('write a snapshot', syncFolder(folder));
  }

  /**
   * The chunks that the snapshot was written from.
   * @throws INTERNAL for damage, with file and offset, or when it is not there
   */
  readSnapshot(metadata: SnapshotMetadata): AsyncIterable<Uint8Array> {
    return readSnapshotFile(this.#options.folder, this.#options.keys, metadata);
  }

  /**
   * From now on the log begins after this snapshot, which must have been written; then removes what is
   * not needed any more. With `replace` it came from the leader and voids all entries so far; else it
   * covers some of them. Only ever a later one than the one in force. Must not overlap `append`.
   */
  async adopt(metadata: SnapshotMetadata, { replace }: { readonly replace: boolean }): Promise<void> {
    const { index } = metadata;
    if (index <= this.#covered) throw new InvariantError(`snapshot ${index} is not after ${this.#covered}`);
    if (!replace && index > this.#last)
      throw new InvariantError(`snapshot ${index} is past the last entry, ${this.#last}`);
    await access(path.join(this.#options.folder, fileName(snapshotId(metadata))));
    const last = replace ? index : this.#last;
    const hardState = { ...this.#hardState, commit: Math.max(this.#hardState.commit, index) };
    await this.#write('adopt', WalFrame.create({ snapshot: metadata, replace, hardState }), last);
    await this.#removeUnneeded(replace);
  }

  /** Must not overlap `append` and `adopt`. A snapshot that is being written ends with an error. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#held && !this.#ending.signal.aborted) await this.append({ entries: [] }, true);
    this.#ending.abort(unavailable('the raft log is closed'));
    await this.#wal.close();
    await this.#mark.close();
  }

  get #covered(): Index {
    return this.#snapshot?.index ?? 0;
  }

  #isInForce(id: FileId): boolean {
    return this.#snapshot !== undefined && fileName(snapshotId(this.#snapshot)) === fileName(id);
  }

  #lastAfter(entries: readonly Entry[]): Index {
    let last = this.#last;
    for (const { index } of entries) {
      if (index > last + 1 || index <= this.#covered)
        throw new InvariantError(`entry ${index} cannot follow ${last}, after a snapshot at ${this.#covered}`);
      last = index;
    }
    return last;
  }

  #hold(hardState: HardState | undefined): void {
    if (!hardState) return;
    this.#hardState = hardState;
    this.#held = true;
  }

  async #write(what: string, frame: WalFrame, last: Index): Promise<void> {
    this.#ending.signal.throwIfAborted();
    if (this.#busy) throw new InvariantError(`${what} during ${this.#busy}`);
    this.#busy = what;
    const now = { hardState: this.#hardState, snapshot: this.#snapshot, last: this.#last };
    await this.#orFail(what, this.#wal.write(frame, now));
    this.#busy = undefined;
    this.#mark.reached(this.#wal.reaches);
    this.#last = last;
    this.#hardState = frame.hardState ?? this.#hardState;
    this.#held = false;
    this.#snapshot = frame.snapshot ?? this.#snapshot;
  }

  async #orFail<T>(what: string, work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      const { folder, log, onFatal } = this.#options;
      log.error({ err: error, folder }, `cannot ${what}: what is durable is not known`);
      this.#ending.abort(unavailable(`the raft log has failed: ${messageOf(error)}`));
      if (onFatal) onFatal(error);
      else process.abort();
      throw error;
    }
  }

  async #removeUnneeded(replaced: boolean): Promise<void> {
    await this.#wal.removeBefore(this.#covered, replaced);
    const { folder, keepOldSnapshots } = this.#options;
    const { snapshots } = await listFolder(folder);
    const older = snapshots.filter((id) => id.numbers[1] < this.#covered || this.#isInForce(id)).toReversed();
    for (const id of older.slice(1 + (keepOldSnapshots?.() ?? 0))) await this.#remove(fileName(id));
  }

  /** Not made durable: what comes back is removed at the next start. */
  async #remove(name: string): Promise<void> {
    const file = path.join(this.#options.folder, name);
    await rm(file, { force: true }).catch((error: unknown) =>
      this.#options.log.error({ file, err: error }, 'cannot remove a file that is not needed any more'),
    );
  }
}
