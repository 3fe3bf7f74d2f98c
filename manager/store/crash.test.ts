import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { silentLogger } from '../../lib/log.js';
import { LocalLog } from './local-log.js';

let folder: string;
let child: string;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'crash-'));
  const built = path.join(folder, 'built');
  const source = path.join(import.meta.dirname, 'crash-child.ts');
  const root = path.join(import.meta.dirname, '../..');
  const flags = ['--module', 'nodenext', '--target', 'es2023', '--types', 'node', '--skipLibCheck', '--rootDir', root];
  const compiler = path.join(root, 'node_modules/.bin/tsc');
  execFileSync(compiler, ['--ignoreConfig', ...flags, '--outDir', built, source], { cwd: root });
  writeFileSync(path.join(built, 'package.json'), '{"type":"module"}');
  symlinkSync(path.join(root, 'node_modules'), path.join(built, 'node_modules'));
  child = path.join(built, 'manager/store/crash-child.js');
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Starts the writer, kills it after so many acknowledgements, and gives all that it acknowledged. */
async function writeAndKill(data: string, first: number, count: number): Promise<string[]> {
  const writer = spawn(process.execPath, [child, data, String(first)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const acknowledged: string[] = [];
  const exited = once(writer, 'exit');
  for await (const line of createInterface({ input: writer.stdout })) {
    acknowledged.push(line);
    if (acknowledged.length === count) writer.kill('SIGKILL');
  }
  await exited;
  return acknowledged;
}

async function recover(data: string): Promise<string[]> {
  const log = new LocalLog({ folder: data, log: silentLogger, snapshotInterval: 40 });
  const numbers: string[] = [];
  await log.start({
    apply: (_index, payload) => void numbers.push(Buffer.from(payload).toString()),
    snapshot: () => ({ index: 0, chunks: [] }),
    async restore(_index, chunks) {
      for await (const chunk of chunks) numbers.push(...Buffer.from(chunk).toString().split('\n'));
    },
  });
  await log.stop();
  return numbers;
}

test('kill -9 - what was acknowledged is there after any number of crashes, once and in order', async () => {
  const data = path.join(folder, 'data');
  mkdirSync(data);
  const acknowledged: string[] = [];
  let before: string[] = [];
  for (const count of [1, 7, 33, 90, 250, 41]) {
    acknowledged.push(...(await writeAndKill(data, before.length + 1, count)));
    const recovered = await recover(data);
    expect(new Set(recovered).size).toBe(recovered.length);
    expect(recovered.slice(0, before.length)).toEqual(before);
    const there = new Set(recovered);
    expect(acknowledged.filter((number) => !there.has(number))).toEqual([]);
    before = recovered;
  }
  expect(before).toEqual(before.map((_, i) => String(i + 1)));
}, 60_000);
