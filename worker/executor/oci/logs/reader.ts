import { watch } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from '../../../../lib/errors.js';
import { type LogLine, type LogOptions, LogStream } from '../../../../proto/gen/index.js';
import { LineAssembler, type LogRecord, parseRecord } from './format.js';

const CHUNK = 64 * 1024;
const NEWLINE = 0x0a;

export interface LogSource {
  readonly file: string;
  /** Aborts when nothing more will come: what is there is still read. */
  readonly ended: AbortSignal;
}

/**
 * Lines of a container's log, in order. With `follow` it goes on until the source ends or `signal`
 * aborts, and over the file's replacement by a new one when it has grown to its limit.
 */
export async function* readLog(source: LogSource, options: LogOptions, signal: AbortSignal): AsyncGenerator<LogLine> {
  const wanted = recordFilter(options);
  const assembler = new LineAssembler();
  const changes = options.follow ? new Changes(source, signal) : undefined;
  let file = await openIfThere(source.file);
  let position = file && options.tail !== undefined ? await tailPosition(file, options.tail, wanted) : 0;
  try {
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
          replaced = await isReplaced(source.file, file);
          if (!replaced) break;
          continue;
        }
        await file.close();
        file = await openIfThere(source.file);
        position = 0;
        replaced = false;
      }
      if (signal.aborted || last) break;
      await changes.next();
      file ??= await openIfThere(source.file);
    }
    if (!signal.aborted) yield* assembler.flush();
  } finally {
    changes?.close();
    await file?.close();
  }
}

/** Whether a record is of the streams and the time that were asked for; neither stream means both. */
export function recordFilter({ stdout, stderr, since, until }: LogOptions): (record: LogRecord) => boolean {
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
 * Where the last `count` wanted lines begin; read from the end, in chunks. Should both streams write
 * long lines in parts at the same moment, the first line may lack its beginning.
 */
export async function tailPosition(
  file: FileHandle,
  count: number,
  wanted: (record: LogRecord) => boolean,
): Promise<number> {
  const { size } = await file.stat();
  const seen = new Set<LogStream>();
  let lines = 0;
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
      const from = bytes.lastIndexOf(NEWLINE, end - 2) + 1;
      const begin = Math.max(from, whole);
      const record = parseRecord(bytes.subarray(begin, bytes[end - 1] === NEWLINE ? end - 1 : end));
      if (record && wanted(record)) {
        // A part belongs to the line of the record that comes after it in its stream, if there is one.
        if (!record.partial || !seen.has(record.stream)) lines++;
        seen.add(record.stream);
        if (lines > count) return start + end;
      }
      end = begin;
    }
    rest = bytes.subarray(0, whole);
    position = start;
  }
  return 0;
}

/** True when another file has taken the name of `file`. */
async function isReplaced(path: string, file: FileHandle): Promise<boolean> {
  const [own, current] = await Promise.all([file.stat(), statIfThere(path)]);
  return current !== undefined && (current.ino !== own.ino || current.dev !== own.dev);
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function statIfThere(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
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
