import { mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { type Deferred, deferred } from '../../lib/async.js';
import { messageOf, unavailable } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import type { Proposer, StateMachine } from './proposer.js';
import { damaged } from './record.js';
import { isEmptySegment, readSegment, Segment, segmentFirstIndex, segmentName } from './segment.js';
import { listSnapshots, readSnapshot, removeOldSnapshots, writeSnapshot } from './snapshot-file.js';

export interface LocalLogOptions {
  readonly folder: string;
  readonly log: Logger;
  /** Entries between two snapshots; asked after each entry, so that it can change. */
  readonly snapshotInterval: number | (() => number);
  /**
   * Called when the disk failed in a way after which nobody knows what is durable. Must end the
   * process; when left out, that is an abort. A failed fsync may not be tried again: the kernel has
   * dropped the dirty pages and the next one would succeed without them.
   */
  readonly onFatal?: (error: unknown) => void;
}

interface Waiting {
  readonly payload: Uint8Array;
  readonly done: Deferred<number>;
}

const SEGMENT_BYTES = 64 * 2 ** 20;
const RECORD_BYTES = 8 * 2 ** 20;

/**
 * A durable log with one member: write, fdatasync, apply, resolve. Proposals that arrive during one
 * fdatasync share the next one. A snapshot is written beside the running log, which is cut after it.
 */
export class LocalLog implements Proposer {
  readonly #options: LocalLogOptions;
  #machine: StateMachine | undefined;
  #segment: Segment | undefined;
  #index = 0;
  #snapshotIndex = 0;
  #waiting: Waiting[] = [];
  #flushing: Promise<void> | undefined;
  #snapshotting: Promise<void> | undefined;
  /** The next entry begins a new file, so that a snapshot's end is a file's end. */
  #rotate = false;
  #closed: 'stopped' | 'failed' | undefined;

  constructor(options: LocalLogOptions) {
    this.#options = options;
  }

  async start(machine: StateMachine): Promise<void> {
    const { folder, log } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const newest = (await listSnapshots(folder))[0];
    if (newest !== undefined) {
      await machine.restore(newest, readSnapshot(folder, newest));
      this.#index = newest;
      this.#snapshotIndex = newest;
    }
    await removeOldSnapshots(folder, this.#snapshotIndex);
    await this.#replay(machine);
    this.#machine = machine;
    log.info({ folder, index: this.#index, snapshot: this.#snapshotIndex }, 'log is open');
  }

  async propose(payload: Uint8Array): Promise<number> {
    if (this.#closed || !this.#machine) throw unavailable(`the log is ${this.#closed ?? 'not open'}`);
    const done = deferred<number>();
    this.#waiting.push({ payload, done });
    this.#flushing ??= this.#flush(this.#machine);
    return done.promise;
  }

  /** What was acknowledged has been applied here before it was acknowledged. */
  async barrier(): Promise<void> {
    if (this.#closed) throw unavailable(`the log is ${this.#closed}`);
  }

  async stop(): Promise<void> {
    this.#closed ??= 'stopped';
    for (const { done } of this.#waiting.splice(0)) done.reject(unavailable('the log is stopped'));
    await this.#flushing;
    await this.#snapshotting;
    await this.#segment?.close();
    this.#segment = undefined;
  }

  async #segmentStarts(): Promise<number[]> {
    const names = await readdir(this.#options.folder);
    return names.flatMap((name) => segmentFirstIndex(name) ?? []).sort((a, b) => a - b);
  }

  async #replay(machine: StateMachine): Promise<void> {
    const { folder, log } = this.#options;
    const starts = await this.#segmentStarts();
    await this.#dropEmptyEnd(starts);
    for (const [position, start] of starts.entries()) {
      const name = path.join(folder, segmentName(start));
      const next = starts[position + 1];
      // A crash between a snapshot and the removal of what it covers leaves old files: they are not needed.
      if (next !== undefined && next <= this.#snapshotIndex + 1) continue;
      if (start > this.#index + 1)
        throw damaged(name, 0, `entries ${this.#index + 1} to ${start - 1}, before it, are missing`);
      const { entries, size, torn } = await readSegment(folder, start, next === undefined);
      for (const { index, payload } of entries) {
        if (index <= this.#index) continue;
        machine.apply(index, payload);
        this.#index = index;
      }
      if (torn > 0) log.warn({ file: name, offset: size, bytes: torn }, 'cut off an entry that was never acknowledged');
      if (next === undefined) {
        this.#segment = size > 0 ? await Segment.reopen(folder, start, size) : await Segment.create(folder, start);
      }
    }
    this.#segment ??= await Segment.create(folder, this.#index + 1);
  }

  /**
   * A file that was begun and never written to says nothing, and its name need not be where the log ends:
   * when a file cannot be begun, entries go on into the one before it.
   */
  async #dropEmptyEnd(starts: number[]): Promise<void> {
    for (let last = starts.at(-1); last !== undefined && starts.length > 1; last = starts.at(-1)) {
      if (!(await isEmptySegment(this.#options.folder, last))) return;
      await Segment.discard(this.#options.folder, last);
      starts.pop();
    }
  }

  async #flush(machine: StateMachine): Promise<void> {
    // Proposals of this turn of the event loop share the first write.
    await Promise.resolve();
    while (this.#waiting.length > 0 && !this.#closed) {
      const group = this.#takeGroup();
      try {
        await this.#persist(group);
      } catch (error) {
        for (const { done } of group) done.reject(unavailable(`the log cannot be written: ${messageOf(error)}`));
        continue;
      }
      if (!this.#apply(machine, group)) break;
      this.#snapshotIfDue(machine);
    }
    this.#flushing = undefined;
  }

  #takeGroup(): Waiting[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#waiting.length && (count === 0 || bytes < RECORD_BYTES)) {
      bytes += this.#waiting[count]?.payload.length ?? 0;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  #apply(machine: StateMachine, group: readonly Waiting[]): boolean {
    for (const { payload, done } of group) {
      try {
        machine.apply(this.#index + 1, payload);
      } catch (error) {
        this.#fail(error, 'a committed entry cannot be applied');
        for (const entry of group) entry.done.reject(unavailable('the log has failed'));
        return false;
      }
      this.#index++;
      done.resolve(this.#index);
    }
    return true;
  }

  /** @throws when nothing of the group is in the log; calls onFatal when that is not certain */
  async #persist(group: readonly Waiting[]): Promise<void> {
    const segment = await this.#currentSegment();
    const payloads = group.map((entry) => entry.payload);
    try {
      await segment.append(this.#index + 1, payloads);
    } catch (error) {
      await segment.cutBack().catch((failure) => this.#fail(failure, 'an unfinished write cannot be taken back'));
      throw error;
    }
    try {
      await segment.sync();
    } catch (error) {
      this.#fail(error, 'fdatasync failed: what is durable is not known');
      throw error;
    }
  }

  async #currentSegment(): Promise<Segment> {
    const current = this.#segment;
    const next = this.#index + 1;
    const full = this.#rotate || (current !== undefined && current.size >= SEGMENT_BYTES);
    if (current && (!full || current.firstIndex === next)) return current;
    await current?.sync();
    this.#segment = await this.#begin(next);
    this.#rotate = false;
    await current?.close();
    return this.#segment;
  }

  async #begin(firstIndex: number): Promise<Segment> {
    const { folder } = this.#options;
    try {
      return await Segment.create(folder, firstIndex);
    } catch (error) {
      await Segment.discard(folder, firstIndex).catch((failure) =>
        this.#fail(failure, 'a file of the log that could not be begun cannot be removed'),
      );
      throw error;
    }
  }

  #snapshotIfDue(machine: StateMachine): void {
    const { snapshotInterval } = this.#options;
    const interval = typeof snapshotInterval === 'number' ? snapshotInterval : snapshotInterval();
    if (this.#snapshotting || this.#index - this.#snapshotIndex < interval) return;
    this.#snapshotting = this.#snapshot(machine)
      .catch((error) => this.#options.log.error({ err: error }, 'cannot write a snapshot; the log goes on growing'))
      .finally(() => {
        this.#snapshotting = undefined;
      });
  }

  async #snapshot(machine: StateMachine): Promise<void> {
    const { folder, log } = this.#options;
    const { index, chunks } = machine.snapshot();
    this.#rotate = true;
    await writeSnapshot(folder, index, chunks);
    this.#snapshotIndex = index;
    await removeOldSnapshots(folder, index);
    const starts = await this.#segmentStarts();
    for (const [position, start] of starts.entries()) {
      const next = starts[position + 1];
      if (next !== undefined && next <= index + 1) await rm(path.join(folder, segmentName(start)));
    }
    log.info({ folder, index }, 'wrote a snapshot');
  }

  #fail(error: unknown, message: string): void {
    this.#closed = 'failed';
    for (const { done } of this.#waiting.splice(0)) done.reject(unavailable('the log has failed'));
    this.#options.log.error({ err: error, folder: this.#options.folder }, message);
    if (this.#options.onFatal) this.#options.onFatal(error);
    else process.abort();
  }
}
