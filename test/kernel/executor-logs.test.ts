import { appendFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { LogLine, LogOptions } from '../../proto/gen/index.js';
import { readLog } from '../../worker/executor/oci/logs/reader.js';
import { everything, type Ground, never, settings, sh, useGround } from './executor-fixture.js';

let ground: Ground;

useGround((opened) => {
  ground = opened;
});

const textOf = ({ data }: LogLine): string => Buffer.from(data).toString();

async function collect(lines: AsyncIterable<LogLine>): Promise<string[]> {
  const all: string[] = [];
  for await (const line of lines) all.push(textOf(line));
  return all;
}

describe('executor - logs of a container', () => {
  it('gives all, the last ones, or those of a stream or time', async () => {
    const { executor } = ground;
    const container = settings(sh('seq 1 5000; echo wrong >&2; echo -n no newline'));
    await executor.prepare(container, never);
    await executor.start(container.id);
    await executor.wait(container.id, never);
    const read = (options: Partial<LogOptions>) =>
      collect(executor.logs(container.id, { ...everything, ...options }, never));
    const stdout = await read({ stderr: false });
    expect(stdout).toEqual([...Array.from({ length: 5000 }, (_, i) => `${i + 1}\n`), 'no newline']);
    expect(await read({ stdout: false })).toEqual(['wrong\n']);
    expect(await read({ stderr: false, tail: 3 })).toEqual(['4999\n', '5000\n', 'no newline']);
    expect(await read({ stderr: false, tail: 4500 })).toEqual(stdout.slice(-4500));
    expect(await read({ tail: 0 })).toEqual([]);
    expect(await read({ since: Date.now() + 60_000 })).toEqual([]);
    expect(await read({ until: Date.now() - 3600_000 })).toEqual([]);
    await executor.remove(container.id);
    await expect(read({})).rejects.toThrow('No such container');
  });

  it('follows until the container is removed', async () => {
    const { executor } = ground;
    const container = settings(sh('for i in 1 2 3; do echo $i; sleep 0.1; done; echo -n end'));
    await executor.prepare(container, never);
    const following = collect(executor.logs(container.id, { ...everything, follow: true }, never));
    await executor.start(container.id);
    await executor.wait(container.id, never);
    await executor.remove(container.id);
    expect(await following).toEqual(['1\n', '2\n', '3\n', 'end']);
  });

  it('joins lines that are longer than the monitor’s buffer', async () => {
    const { executor } = ground;
    const container = settings(sh('head -c 100000 /dev/zero | tr "\\0" x; echo; echo short'));
    await executor.prepare(container, never);
    await executor.start(container.id);
    await executor.wait(container.id, never);
    expect(await collect(executor.logs(container.id, everything, never))).toEqual([
      `${'x'.repeat(100_000)}\n`,
      'short\n',
    ]);
    expect(await collect(executor.logs(container.id, { ...everything, tail: 2 }, never))).toHaveLength(2);
    await executor.remove(container.id);
  });
});

describe('executor - log file', () => {
  const line = (text: string) => `2026-01-02T03:04:05.000000001+00:00 stdout F ${text}\n`;

  it('is followed over its replacement by a new one', async () => {
    const file = join(ground.folder, 'rotated.log');
    await writeFile(file, line('1'));
    const ended = new AbortController();
    const lines = readLog({ file, ended: ended.signal }, { ...everything, follow: true }, never);
    const next = async () => {
      const { value } = await lines.next();
      return value ? textOf(value) : undefined;
    };
    expect(await next()).toBe('1\n');
    await appendFile(file, line('2'));
    expect(await next()).toBe('2\n');
    await appendFile(file, line('3'));
    await writeFile(`${file}.new`, line('4'));
    await rename(`${file}.new`, file);
    expect(await next()).toBe('3\n');
    expect(await next()).toBe('4\n');
    await appendFile(file, line('5'));
    ended.abort();
    expect(await next()).toBe('5\n');
    expect(await next()).toBeUndefined();
  });

  it('ends when its reader goes away', async () => {
    const file = join(ground.folder, 'abandoned.log');
    await writeFile(file, line('1'));
    const abort = new AbortController();
    const lines = readLog({ file, ended: never }, { ...everything, follow: true }, abort.signal);
    await lines.next();
    const last = lines.next();
    abort.abort();
    expect((await last).done).toBe(true);
  });
});
