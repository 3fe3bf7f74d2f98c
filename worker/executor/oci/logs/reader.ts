import { watch } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type LogLine, type LogOptions, LogStream } from '../../../../proto/gen/index.js';
import { openLogs, statIfThere } from './files.js';
import { LineAssembler, type LogRecord, parseRecord } from './format.js';

const CHUNK = 64 * 1024;
const NEWLINE = 0x0a;

export interface LogSource {
  readonly file: string;
  /** Aborts when nothing more will come: what is there is still read. */
  readonly ended: AbortSignal;
}

/**
 * Lines of a container's log, in order, from the oldest of its files on. With `follow` it goes on until the source
 * ends or `signal` aborts, over each file's replacement by the next when it has grown to its limit.
 */
export async function* readLog(source: LogSource, options: LogOptions, signal: AbortSignal): AsyncGenerator<LogLine> {
  const wanted = recordFilter(options);
  const assembler = new LineAssembler();
  const changes = options.follow ? new Changes(source, signal) : undefined;
  const waiting: FileHandle[] = [];
  let file: FileHandle | undefined;
  try {
    waiting.push(...(await openLogs(source.file)));
    let position = options.tail === undefined ? 0 : await tailStart(waiting, options.tail, wanted);
    file = waiting.shift();
    for (;;) {
      // Taken before reading: what comes after it is seen by the next round.
      const last = !changes || source.ended.aborted;
      changes?.reset();
      for (let replaced = false; file && !signal.aborted; ) {
        const { records, next } = await readRecords(file, position);
        position = next;
        for (const record of records.filter(wanted)) {
          const line = assembler.push(record);
          if (line) yield line;
        }
        if (records.length > 0) continue;
        if (!replaced) {
          // Once replaced it grows no more, but it may have since we last read.
          replaced = waiting.length > 0 || (await isReplaced(source.file, file));
          if (!replaced) break;
          continue;
        }
        if (waiting.length === 0) waiting.push(...(await newerLogs(source.file, file)));
        await file.close();
        file = waiting.shift();
        position = 0;
        replaced = false;
      }
      if (signal.aborted || last) break;
      await changes.next();
      if (file) continue;
      waiting.push(...(await openLogs(source.file)));
      file = waiting.shift();
    }
    if (!signal.aborted) yield* assembler.flush();
  } finally {
    changes?.close();
    await Promise.all([file, ...waiting].map((handle) => handle?.close()));
  }
}

/** The files that came after one, the oldest first; all when it is gone. */
async function newerLogs(path: string, file: FileHandle): Promise<FileHandle[]> {
  const { ino } = await file.stat();
  const all = await openLogs(path);
  const numbers = await Promise.all(all.map(async (handle) => (await handle.stat()).ino));
  const old = all.splice(0, numbers.indexOf(ino) + 1);
  await Promise.all(old.map((handle) => handle.close()));
  return all;
}

/** Whether a record is of the streams and the time that were asked for; neither stream means both. */
function recordFilter({ stdout, stderr, since, until }: LogOptions): (record: LogRecord) => boolean {
  const all = stdout === stderr;
  return ({ stream, timestampMs }) =>
    (all || stdout === (stream === LogStream.STDOUT)) && timestampMs >= since && (until === 0 || timestampMs <= until);
}

/** Whole records from `position` on, at most a chunk of them. */
async function readRecords(file: FileHandle, position: number): Promise<{ records: LogRecord[]; next: number }> {
  let size = CHUNK;
  for (;;) {
    const buffer = Buffer.alloc(size);
    const { bytesRead } = await file.read(buffer, 0, size, position);
    const end = buffer.lastIndexOf(NEWLINE, bytesRead - 1) + 1;
    if (bytesRead > 0 && end > 0) return { records: recordsOf(buffer.subarray(0, end)), next: position + end };
    // Not even one: either the rest is not written yet, or it is longer than the buffer.
    if (bytesRead < size) return { records: [], next: position };
    size *= 2;
  }
}

function recordsOf(bytes: Buffer): LogRecord[] {
  const records: LogRecord[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(NEWLINE, start);
    const record = parseRecord(bytes.subarray(start, end < 0 ? bytes.length : end));
    if (record) records.push(record);
    if (end < 0) break;
    start = end + 1;
  }
  return records;
}

/**
 * Goes to where the last `count` wanted lines begin: files before that are closed and taken out. Read from the end, in
 * chunks. Should both streams write long lines in parts at the same moment, the first line may lack its beginning.
 * @returns the position in the first of the files
 */
async function tailStart(files: FileHandle[], count: number, wanted: (record: LogRecord) => boolean): Promise<number> {
  const tail = new Tail(count, wanted);
  for (let index = files.length - 1; index >= 0; index--) {
    const position = await tail.startIn(files[index] as FileHandle);
    if (position === undefined) continue;
    await Promise.all(files.splice(0, index).map((file) => file.close()));
    return position;
  }
  return 0;
}

/** Counts lines from the end, file by file. */
class Tail {
  readonly #count: number;
  readonly #wanted: (record: LogRecord) => boolean;
  readonly #seen = new Set<LogStream>();
  #lines = 0;

  constructor(count: number, wanted: (record: LogRecord) => boolean) {
    this.#count = count;
    this.#wanted = wanted;
  }

  /** Where the lines begin; undefined when it is not in this file, or at its very beginning. */
  async startIn(file: FileHandle): Promise<number | undefined> {
    const { size } = await file.stat();
    let rest: Buffer = Buffer.alloc(0);
    let position = size;
    while (position > 0) {
      const start = Math.max(0, position - CHUNK);
      const chunk = Buffer.alloc(position - start);
      await file.read(chunk, 0, chunk.length, start);
      const bytes = Buffer.concat([chunk, rest]);
      // The first line may have begun in the chunk before.
      const whole = start === 0 ? 0 : bytes.indexOf(NEWLINE) + 1;
      let end = bytes.length;
      while (end > whole) {
        const begin = Math.max(bytes.lastIndexOf(NEWLINE, end - 2) + 1, whole);
        if (this.#isBefore(bytes.subarray(begin, bytes[end - 1] === NEWLINE ? end - 1 : end))) return start + end;
        end = begin;
      }
      rest = bytes.subarray(0, whole);
      position = start;
    }
    return undefined;
  }

  /** Whether a record is one too many. */
  #isBefore(line: Buffer): boolean {
    const record = parseRecord(line);
    if (!record || !this.#wanted(record)) return false;
    // A part belongs to the line of the record that comes after it in its stream, if there is one.
    if (!record.partial || !this.#seen.has(record.stream)) this.#lines++;
    this.#seen.add(record.stream);
    return this.#lines > this.#count;
  }
}

/** True when another file has taken the name of `file`. */
async function isReplaced(path: string, file: FileHandle): Promise<boolean> {
  const [own, current] = await Promise.all([file.stat(), statIfThere(path)]);
  return current !== undefined && (current.ino !== own.ino || current.dev !== own.dev);
}

/** Tells that a log, or whether it goes on, may have changed since the last `reset`. */
class Changes {
  #changed = false;
  #wake: () => void = () => undefined;
  readonly #stop = new AbortController();

  constructor({ file, ended }: LogSource, signal: AbortSignal) {
    const notice = () => {
      this.#changed = true;
      this.#wake();
    };
    const options = { signal: this.#stop.signal };
    watch(dirname(file), options, notice).on('error', notice);
    signal.addEventListener('abort', notice, options);
    ended.addEventListener('abort', notice, options);
    if (signal.aborted || ended.aborted) this.#changed = true;
  }

  reset(): void {
    this.#changed = false;
  }

  async next(): Promise<void> {
    if (this.#changed) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  close(): void {
    this.#stop.abort();
  }
}
