import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { pack, unpack } from './tar.js';

afterEach(() => void vi.unstubAllEnvs());

function folder(): string {
  const made = mkdtempSync(path.join(tmpdir(), 'tar-'));
  onTestFinished(() => rmSync(made, { recursive: true }));
  return made;
}

/** What nobody awaits and catches: it would end the process. */
function unhandled(): readonly unknown[] {
  const seen: unknown[] = [];
  const hear = (error: unknown) => void seen.push(error);
  process.on('unhandledRejection', hear);
  onTestFinished(() => void process.off('unhandledRejection', hear));
  return seen;
}

/** Resolves when no tar of ours runs any more, and what has come of it was told. */
async function settled(): Promise<void> {
  const ours = () => spawnSync('pgrep', ['-P', String(process.pid), '-x', 'tar'], { encoding: 'utf8' }).stdout;
  await vi.waitFor(() => expect(ours()).toBe(''), { timeout: 10_000 });
  // Its streams are closed, and their ends told, in turns of their own.
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}

test('an archive that is read no further ends without a word', async () => {
  const source = folder();
  writeFileSync(path.join(source, 'big'), new Uint8Array(8_000_000));
  const seen = unhandled();
  for await (const chunk of pack(source, 'big', 'big', false)) if (chunk.length > 0) break;
  await settled();
  expect(seen).toEqual([]);
});

async function packed(): Promise<void> {
  for await (const chunk of pack('/etc', 'hosts', 'hosts', false)) expect(chunk).toBeDefined();
}

async function* archive() {
  yield new Uint8Array(512);
}

test.each([
  ['packed', packed],
  ['unpacked', () => unpack(archive(), { folder: tmpdir(), name: 'x' }, false)],
])('without tar nothing is %s, and what is missing is named', async (_, work) => {
  vi.stubEnv('PATH', '/nowhere');
  const seen = unhandled();
  await expect(work()).rejects.toThrow('the program tar is not installed');
  // Nothing was started: it would be told by now.
  await new Promise((resolve) => setImmediate(resolve));
  expect(seen).toEqual([]);
});
