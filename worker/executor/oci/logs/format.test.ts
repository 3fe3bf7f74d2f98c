import { describe, expect, it } from 'vitest';
import { LogStream } from '../../../../proto/gen/index.js';
import { LineAssembler, parseRecord } from './format.js';

const record = (text: string) => {
  const parsed = parseRecord(Buffer.from(text));
  if (!parsed) throw new TypeError(`no record: ${text}`);
  return parsed;
};

describe('log record', () => {
  it('has time, stream and content', () => {
    expect(parseRecord(Buffer.from('2026-01-02T03:04:05.123456789+00:00 stderr F a b  c'))).toEqual({
      timestampMs: Date.UTC(2026, 0, 2, 3, 4, 5, 123),
      timestampNs: 456789,
      stream: LogStream.STDERR,
      partial: false,
      content: Buffer.from('a b  c'),
    });
  });

  it('may be of another time zone, without fraction, empty', () => {
    expect(record('2026-01-02T03:04:05+02:00 stdout P')).toMatchObject({
      timestampMs: Date.UTC(2026, 0, 2, 1, 4, 5),
      timestampNs: 0,
      partial: true,
      content: Buffer.alloc(0),
    });
    expect(record('2026-01-02T03:04:05Z stdout F ').content).toHaveLength(0);
  });

  it('is nothing else', () => {
    for (const text of ['', 'garbage', '2026-01-02T03:04:05Z stdin F x', '2026-13-40T03:04:05Z stdout F x']) {
      expect(parseRecord(Buffer.from(text))).toBeUndefined();
    }
  });
});

describe('lines', () => {
  const at = (n: number, rest: string) => record(`2026-01-02T03:04:0${n}Z ${rest}`);

  it('are joined from parts, each stream for itself, with the time of the first', () => {
    const assembler = new LineAssembler();
    expect(assembler.push(at(1, 'stdout P ab'))).toBeUndefined();
    expect(assembler.push(at(2, 'stderr P x'))).toBeUndefined();
    const line = assembler.push(at(3, 'stdout F cd'));
    expect(Buffer.from(line?.data ?? []).toString()).toBe('abcd\n');
    expect(line?.timestampMs).toBe(Date.UTC(2026, 0, 2, 3, 4, 1));
    expect(assembler.flush().map(({ data }) => Buffer.from(data).toString())).toEqual(['x']);
    expect(assembler.flush()).toEqual([]);
  });

  it('that do not end are given out in pieces', () => {
    const assembler = new LineAssembler();
    const part = { ...at(1, 'stdout P'), content: Buffer.alloc(600_000, 'x') };
    expect(assembler.push(part)).toBeUndefined();
    expect(assembler.push(part)?.data).toHaveLength(1_200_000);
    expect(assembler.flush()).toEqual([]);
  });
});
