import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { silentLogger } from '../../lib/log.js';
import { LocalLog } from './local-log.js';
import type { StateMachine } from './proposer.js';
import { encodeRecord, MAGIC_BYTES } from './record.js';
import { segmentName } from './segment.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'local-log-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Remembers every payload with its index; its snapshot has one chunk per entry. */
class Journal implements StateMachine {
  readonly entries: [number, string][] = [];

  apply(index: number, payload: Uint8Array): void {
    this.entries.push([index, Buffer.from(payload).toString()]);
  }

  snapshot() {
    const entries = [...this.entries];
    return { index: entries.at(-1)?.[0] ?? 0, chunks: entries.map((e) => Buffer.from(JSON.stringify(e))) };
  }

  async restore(_index: number, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    this.entries.length = 0;
    for await (const chunk of chunks) this.entries.push(JSON.parse(Buffer.from(chunk).toString()) as [number, string]);
  }
}

async function open(snapshotInterval = 1_000) {
  const log = new LocalLog({ folder, log: silentLogger, snapshotInterval });
  const journal = new Journal();
  await log.start(journal);
  return { log, journal };
}

/** Three entries in three records, in one file. */
async function record(): Promise<{ file: string; bytes: Buffer; ends: number[] }> {
  const { log } = await open();
  const file = path.join(folder, segmentName(1));
  const ends = [readFileSync(file).length];
  for (const text of ['alpha', 'beta', 'gamma']) {
    await log.propose(Buffer.from(text));
    ends.push(readFileSync(file).length);
  }
  await log.stop();
  return { file, bytes: readFileSync(file), ends };
}

test('local log - entries come back in order, and writing goes on after them', async () => {
  const first = await open();
  expect(await first.log.propose(Buffer.from('a'))).toBe(1);
  expect(await Promise.all(['b', 'c'].map((text) => first.log.propose(Buffer.from(text))))).toEqual([2, 3]);
  await first.log.stop();
  const second = await open();
  expect(second.journal.entries).toEqual(first.journal.entries);
  expect(await second.log.propose(Buffer.from('d'))).toBe(4);
  await second.log.stop();
  const third = await open();
  expect(third.journal.entries.map(([, text]) => text)).toEqual(['a', 'b', 'c', 'd']);
  await third.log.stop();
});

test('local log - cut at every byte: whole entries stay, the torn one goes, and writing goes on', async () => {
  const { file, bytes, ends } = await record();
  for (let size = 0; size < bytes.length; size++) {
    writeFileSync(file, bytes.subarray(0, size));
    const whole = ends.filter((end, i) => i > 0 && end <= size).length;
    const { log, journal } = await open();
    expect(journal.entries.map(([, text]) => text)).toEqual(['alpha', 'beta', 'gamma'].slice(0, whole));
    expect(await log.propose(Buffer.from('delta'))).toBe(whole + 1);
    await log.stop();
    const again = await open();
    expect(again.journal.entries.at(-1)).toEqual([whole + 1, 'delta']);
    await again.log.stop();
  }
});

test('local log - one bit changed at every byte: refused, with file and offset of the record', async () => {
  const { file, bytes, ends } = await record();
  for (let at = 0; at < bytes.length; at++) {
    const altered = Buffer.from(bytes);
    altered.writeUInt8(altered.readUInt8(at) ^ (1 << (at % 8)), at);
    writeFileSync(file, altered);
    const offset = at < MAGIC_BYTES ? 0 : Math.max(...ends.filter((end) => end <= at));
    await expect(open()).rejects.toMatchObject({
      code: 'INTERNAL',
      message: expect.stringContaining(`${file} is damaged at offset ${offset}`),
    });
  }
});

test('local log - sectors that a power failure left as zeros at the end are a torn entry', async () => {
  const { file, bytes, ends } = await record();
  const torn = Buffer.concat([bytes, encodeRecord(4, [Buffer.alloc(2_000, 1)])]);
  torn.fill(0, 1_024, 1_536);
  writeFileSync(file, torn);
  const { log, journal } = await open();
  expect(journal.entries).toHaveLength(3);
  await log.stop();
  expect(readFileSync(file)).toHaveLength(ends.at(-1) ?? 0);
});

test('local log - zeros in front of a whole record are damage', async () => {
  const { file, bytes } = await record();
  const large = Buffer.concat([bytes, encodeRecord(4, [Buffer.alloc(2_000, 1)]), encodeRecord(5, [Buffer.from('e')])]);
  large.fill(0, 1_024, 1_536);
  writeFileSync(file, large);
  await expect(open()).rejects.toThrow(`is damaged at offset ${bytes.length}`);
});

test('local log - a snapshot cuts the log, and both together give the state', async () => {
  const { log, journal } = await open(10);
  for (let i = 0; i < 57; i++) await log.propose(Buffer.from(`entry ${i}`));
  await log.stop();
  const names = readdirSync(folder).sort();
  expect(names.filter((name) => name.startsWith('snapshot-'))).toHaveLength(1);
  expect(names).not.toContain(segmentName(1));
  const again = await open();
  expect(again.journal.entries).toEqual(journal.entries);
  await again.log.stop();
});

test('local log - a damaged snapshot is refused with file and offset', async () => {
  const { log } = await open(3);
  for (let i = 0; i < 4; i++) await log.propose(Buffer.from('x'));
  await log.stop();
  const name = readdirSync(folder).find((n) => n.startsWith('snapshot-')) ?? '';
  const bytes = readFileSync(path.join(folder, name));
  writeFileSync(path.join(folder, name), bytes.subarray(0, bytes.length - 1));
  await expect(open()).rejects.toThrow(`${path.join(folder, name)} is damaged at offset`);
});

test('local log - missing entries are refused', async () => {
  const { log } = await open(3);
  for (let i = 0; i < 5; i++) await log.propose(Buffer.from('x'));
  await log.stop();
  const snapshot = readdirSync(folder).find((n) => n.startsWith('snapshot-')) ?? '';
  rmSync(path.join(folder, snapshot));
  await expect(open()).rejects.toThrow('before it, are missing');
});

test('local log - a half-written snapshot of a crash is removed', async () => {
  writeFileSync(path.join(folder, 'snapshot.tmp'), 'half');
  const { log } = await open();
  await log.stop();
  expect(readdirSync(folder)).not.toContain('snapshot.tmp');
});

test('local log - proposals after stop, and those that wait at stop, are UNAVAILABLE', async () => {
  const { log, journal } = await open();
  const written = log.propose(Buffer.from('a'));
  const results = Promise.allSettled([written, log.propose(Buffer.from('b'))]);
  await log.stop();
  for (const result of await results)
    if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'UNAVAILABLE' });
  await expect(log.propose(Buffer.from('c'))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  const again = await open();
  expect(again.journal.entries).toEqual(journal.entries);
  await again.log.stop();
});

test('local log - after a failed fdatasync nothing is acknowledged any more, and the process is to end', async () => {
  const failures: unknown[] = [];
  const log = new LocalLog({
    folder,
    log: silentLogger,
    snapshotInterval: 1_000,
    onFatal: (error) => failures.push(error),
  });
  const journal = new Journal();
  await log.start(journal);
  await log.propose(Buffer.from('a'));
  // /dev/null takes every write, but cannot be synced: put in the place of the open file, it is a disk that fails.
  const file = path.join(folder, segmentName(1));
  const fd = readdirSync('/proc/self/fd').find((name) => linkOf(name) === file);
  closeSync(Number(fd));
  expect(openSync('/dev/null', 'r+')).toBe(Number(fd));
  await expect(log.propose(Buffer.from('b'))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await expect(log.propose(Buffer.from('c'))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(failures).toMatchObject([{ code: 'EINVAL', syscall: 'fdatasync' }]);
  expect(journal.entries).toEqual([[1, 'a']]);
  await log.stop();
});

test('local log - a file that cannot be begun leaves nothing behind, and writing goes on where it was', async () => {
  const { log, journal } = await open(2);
  // /dev/full is a disk without room: the third entry is to begin a file after the snapshot.
  symlinkSync('/dev/full', path.join(folder, segmentName(3)));
  await log.propose(Buffer.from('a'));
  await log.propose(Buffer.from('b'));
  await expect(log.propose(Buffer.from('c'))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(readdirSync(folder)).not.toContain(segmentName(3));
  for (const text of ['d', 'e', 'f']) await log.propose(Buffer.from(text));
  await log.stop();
  const again = await open();
  expect(again.journal.entries).toEqual(journal.entries);
  await again.log.stop();
});

test('local log - an empty file of a begin that broke off is not written to', async () => {
  const { file } = await record();
  writeFileSync(path.join(folder, segmentName(2)), readFileSync(file).subarray(0, MAGIC_BYTES));
  const { log } = await open();
  await log.propose(Buffer.from('delta'));
  await log.stop();
  const again = await open();
  expect(again.journal.entries.map(([, text]) => text)).toEqual(['alpha', 'beta', 'gamma', 'delta']);
  await again.log.stop();
});

function linkOf(fd: string): string | undefined {
  try {
    return readlinkSync(path.join('/proc/self/fd', fd));
  } catch {
    return undefined; // the descriptor with which the folder itself was read
  }
}
