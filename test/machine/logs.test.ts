import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { IMAGE, useMachine } from './machine.js';

const machine = useMachine();
/** Numbered lines, a hundred each tenth of a second. */
const writes = (lines: number) =>
  `i=1; while [ $i -le ${lines} ]; do seq $i $((i + 99)); i=$((i + 100)); sleep 0.1; done`;
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => `${from + i}\n`).join('');
/** Sizes of its log's files. */
async function filesOf(name: string): Promise<number[]> {
  const file = (await machine.run('inspect', '-f', '{{.LogPath}}', name)).trim();
  const names = (await readdir(path.dirname(file))).filter((other) => other.startsWith(path.basename(file)));
  return Promise.all(names.map(async (other) => (await stat(path.join(path.dirname(file), other))).size));
}

test('rotation - nothing is lost, though the daemon is killed meanwhile', async () => {
  const limits = ['--log-opt', 'max-size=20k', '--log-opt', 'max-file=100'];
  await machine.run(
    'run',
    '-d',
    '--name',
    'one',
    ...limits,
    IMAGE,
    'sh',
    '-c',
    `${writes(2000)}; echo half; ${writes(6000)}`,
  );
  const followed = machine.start('logs', '-f', 'one');
  await expect.poll(async () => (await filesOf('one')).length, { timeout: 20_000 }).toBeGreaterThan(2);
  await followed.prints(numbers(1, 2000));
  await machine.restart();
  expect(await machine.run('wait', 'one')).toBe('0\n');
  const all = `${numbers(1, 2000)}half\n${numbers(1, 6000)}`;
  expect(await machine.run('logs', 'one')).toBe(all);
  expect(await machine.run('logs', '--tail', '5000', 'one')).toBe(numbers(1001, 6000));
  expect((await filesOf('one')).length).toBeGreaterThan(2);
});

test('rotation - only the last files are kept, and followed to the end', async () => {
  const limits = ['--log-opt', 'max-size=10k', '--log-opt', 'max-file=2'];
  await machine.run('create', '--name', 'one', ...limits, IMAGE, 'sh', '-c', writes(5000));
  const followed = machine.start('logs', '-f', 'one');
  await machine.run('start', 'one');
  expect(await followed.exit()).toBe(0);
  expect(await machine.run('wait', 'one')).toBe('0\n');
  expect(await filesOf('one')).toHaveLength(2);
  const kept = await machine.run('logs', 'one');
  expect(kept.length).toBeLessThan(numbers(1, 5000).length);
  expect(numbers(1, 5000).endsWith(kept)).toBe(true);
});

test('--log-driver, --details', async () => {
  expect(await machine.run('run', '--name', 'none', '--log-driver', 'none', IMAGE, 'echo', 'seen')).toBe('seen\n');
  const { code, stderr } = await machine.outcome('logs', 'none');
  expect(code).toBe(1);
  expect(stderr).toContain('configured logging driver does not support reading');
  expect((await machine.outcome('run', '--log-driver', 'syslog', IMAGE, 'true')).stderr).toContain(
    'there is no log driver "syslog"',
  );
  const attributes = ['--label', 'tier=db', '-e', 'MODE=a', '--log-opt', 'labels=tier', '--log-opt', 'env=MODE'];
  await machine.run('run', '--name', 'local', '--log-driver', 'local', ...attributes, IMAGE, 'echo', 'hello');
  expect(await machine.run('logs', '--details', 'local')).toBe('tier=db,MODE=a hello\n');
  expect(await machine.run('inspect', '-f', '{{.HostConfig.LogConfig.Type}}', 'local')).toBe('local\n');
});
