import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { appendFile, mkdtemp, readdir, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LogLine, LogOptions } from '../../../../proto/gen/index.js';
import { rotateLog } from './files.js';
import { readLog } from './reader.js';

const LIMITS = { maxBytes: 100, maxFiles: 3 };
const FULL = 'x'.repeat(100);
const everything = { follow: false, tail: undefined, since: 0, until: 0, stdout: true, stderr: true };
let folder: string;
let file: string;
let control: string;
/** Our end of the fifo, in conmon's place. */
let monitor: number;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tsswarm-logs-'));
  file = join(folder, 'log');
  control = join(folder, 'ctl');
  execFileSync('mkfifo', [control]);
  monitor = openSync(control, constants.O_RDONLY | constants.O_NONBLOCK);
});
afterEach(async () => {
  closeSync(monitor);
  await rm(folder, { recursive: true, force: true });
});

/** What it was told since the last time. */
function told(): string {
  const buffer = Buffer.alloc(100);
  return buffer.toString('utf8', 0, readSync(monitor, buffer));
}
const logs = async () => (await readdir(folder)).filter((name) => name !== 'ctl').sort();

describe('rotation of a log', () => {
  it('begins the next file at the size, and keeps as many as are wanted', async () => {
    await writeFile(file, 'short');
    await rotateLog(file, control, LIMITS);
    expect(await logs()).toEqual(['log']);
    for (const text of ['1', '2', '3']) {
      await writeFile(file, `${text}${FULL}`);
      await rotateLog(file, control, LIMITS);
      expect(told()).toBe('2 0 0\n');
    }
    expect(await logs()).toEqual(['log.1', 'log.2']);
    expect((await readFile(`${file}.1`, 'utf8'))[0]).toBe('3');
    expect((await readFile(`${file}.2`, 'utf8'))[0]).toBe('2');
  });

  it('that was interrupted is finished by the next', async () => {
    await writeFile(`${file}.1`, FULL);
    await rotateLog(file, control, LIMITS);
    expect(told()).toBe('2 0 0\n');
    // Between two renames there is a gap: what is beyond it stays where it is.
    await writeFile(`${file}.2`, 'two');
    await rename(`${file}.1`, `${file}.3`);
    await writeFile(file, FULL);
    await rotateLog(file, control, { ...LIMITS, maxFiles: 9 });
    expect(await logs()).toEqual(['log.1', 'log.2', 'log.3']);
    expect(await readFile(`${file}.2`, 'utf8')).toBe('two');
  });

  it('is asked for once: a second time would empty what was written since', async () => {
    await writeFile(file, FULL);
    expect(await rotateLog(file, control, LIMITS)).toBe(true);
    expect(await rotateLog(file, control, LIMITS, true)).toBe(true);
    expect(told()).toBe('2 0 0\n');
    await writeFile(file, 'new');
    expect(await rotateLog(file, control, LIMITS, true)).toBe(false);
    await writeFile(file, FULL);
    expect(await rotateLog(file, control, LIMITS, true)).toBe(true);
    expect(told()).toBe('2 0 0\n');
  });

  it('waits while nobody writes', async () => {
    closeSync(monitor);
    await writeFile(file, FULL);
    await rotateLog(file, control, LIMITS);
    expect(await logs()).toEqual(['log']);
    monitor = openSync(control, constants.O_RDONLY | constants.O_NONBLOCK);
  });
});

describe('log of several files', () => {
  const lines = (from: number, to: number, tag = 'F') =>
    Array.from({ length: to - from + 1 }, (_, i) => `2026-01-02T03:04:05Z stdout ${tag} ${from + i}\n`).join('');
  const textOf = ({ data }: LogLine) => Buffer.from(data).toString();
  async function read(options: Partial<LogOptions> = {}): Promise<string> {
    let all = '';
    const never = new AbortController().signal;
    for await (const line of readLog({ file, ended: never }, { ...everything, ...options }, never)) all += textOf(line);
    return all.replaceAll('\n', ' ').trim();
  }

  beforeEach(async () => {
    await writeFile(`${file}.10`, lines(1, 2));
    await writeFile(`${file}.2`, lines(3, 4));
    await writeFile(`${file}.1`, lines(5, 6));
    await writeFile(file, lines(7, 8));
    await writeFile(`${file}.tmp`, lines(99, 99));
  });

  it('is read from the oldest on', async () => {
    expect(await read()).toBe('1 2 3 4 5 6 7 8');
  });

  it.each([
    [0, ''],
    [1, '8'],
    [2, '7 8'],
    [3, '6 7 8'],
    [7, '2 3 4 5 6 7 8'],
    [9, '1 2 3 4 5 6 7 8'],
  ])('has its last %i lines in as many of them as it takes', async (tail, expected) => {
    expect(await read({ tail })).toBe(expected);
  });

  it('has lines that begin in one and end in the next', async () => {
    await writeFile(`${file}.1`, lines(5, 5) + lines(60, 60, 'P'));
    expect(await read({ tail: 3 })).toBe('5 607 8');
  });

  it('is followed over two rotations at once', async () => {
    const ended = new AbortController();
    const never = new AbortController().signal;
    const followed = readLog({ file, ended: ended.signal }, { ...everything, follow: true, tail: 1 }, never);
    const next = async () => textOf((await followed.next()).value as LogLine).trim();
    expect(await next()).toBe('8');
    await appendFile(file, lines(9, 9));
    for (const number of [9, 10]) {
      await rename(`${file}.1`, `${file}.2`);
      await rename(file, `${file}.1`);
      await writeFile(file, lines(number + 1, number + 1));
    }
    expect([await next(), await next(), await next()]).toEqual(['9', '10', '11']);
    await appendFile(file, lines(12, 12));
    expect(await next()).toBe('12');
    ended.abort();
    expect((await followed.next()).done).toBe(true);
  });

  it('leaves nothing open when one of them cannot be opened', async () => {
    const watchers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'FSEventWrap').length;
    const before = watchers();
    await rm(`${file}.1`);
    await symlink(`${file}.1`, `${file}.1`);
    await expect(read({ follow: true })).rejects.toThrow('ELOOP');
    await vi.waitFor(() => expect(watchers()).toBe(before));
    const open = (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ''));
    expect(await Promise.all(open)).not.toContain(file);
  });
});
