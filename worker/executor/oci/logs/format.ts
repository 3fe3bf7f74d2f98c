import { LogLine, LogStream } from '../../../../proto/gen/index.js';

/** A line that a container does not end is given out when it has this many bytes. */
const MAX_LINE = 1 << 20;

const SPACE = 0x20;
const NEWLINE = Buffer.from('\n');

/** One line of a log file: `TIME STREAM TAG CONTENT` (the CRI's format, conmon's k8s-file). */
export interface LogRecord {
  readonly timestampMs: number;
  readonly timestampNs: number;
  readonly stream: LogStream;
  /** The content goes on in the stream's next record. */
  readonly partial: boolean;
  readonly content: Buffer;
}

/** Undefined for what is no record: a line that was cut. @param line without its newline */
export function parseRecord(line: Buffer): LogRecord | undefined {
  const first = line.indexOf(SPACE);
  const second = line.indexOf(SPACE, first + 1);
  if (first < 0 || second < 0) return undefined;
  const third = line.indexOf(SPACE, second + 1);
  const end = third < 0 ? line.length : third;
  const time = parseTime(line.toString('latin1', 0, first));
  const stream = line.toString('latin1', first + 1, second);
  const tag = line.toString('latin1', second + 1, end);
  if (!time || (stream !== 'stdout' && stream !== 'stderr')) return undefined;
  return {
    ...time,
    stream: stream === 'stdout' ? LogStream.STDOUT : LogStream.STDERR,
    partial: tag.startsWith('P'),
    content: line.subarray(Math.min(end + 1, line.length)),
  };
}

/** RFC 3339 with nanoseconds, which Date does not hold. */
function parseTime(text: string): { timestampMs: number; timestampNs: number } | undefined {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (!match) return undefined;
  const seconds = Date.parse(`${match[1]}${match[3]}`);
  if (Number.isNaN(seconds)) return undefined;
  const nanoseconds = Number((match[2] ?? '').padEnd(9, '0'));
  return { timestampMs: seconds + Math.floor(nanoseconds / 1e6), timestampNs: nanoseconds % 1e6 };
}

/** Makes lines of records: parts of a line are joined, each stream for itself. */
export class LineAssembler {
  readonly #open = new Map<LogStream, { readonly first: LogRecord; readonly parts: Buffer[]; size: number }>();

  /** The line that this record ends, if it ends one. Its time is that of its first part. */
  push(record: LogRecord): LogLine | undefined {
    const open = this.#open.get(record.stream) ?? { first: record, parts: [], size: 0 };
    open.parts.push(record.content);
    open.size += record.content.length;
    if (record.partial && open.size < MAX_LINE) {
      this.#open.set(record.stream, open);
      return undefined;
    }
    this.#open.delete(record.stream);
    return toLine(open.first, record.partial ? open.parts : [...open.parts, NEWLINE]);
  }

  /** What has no end yet, as lines without newline. */
  flush(): LogLine[] {
    const lines = [...this.#open.values()].map(({ first, parts }) => toLine(first, parts));
    this.#open.clear();
    return lines;
  }
}

function toLine({ timestampMs, timestampNs, stream }: LogRecord, parts: readonly Buffer[]): LogLine {
  return LogLine.create({ timestampMs, timestampNs, stream, data: Buffer.concat(parts) });
}
