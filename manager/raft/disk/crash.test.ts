import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../../lib/clock.js';
import { silentLogger } from '../../../lib/log.js';
import { RaftDisk, type RecoveredState } from './raft-disk.js';
import { text } from './testing/disk.js';

const key = randomBytes(32);
let folder: string;
let child: string;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'crash-'));
  const built = path.join(folder, 'built');
  const source = path.join(import.meta.dirname, 'testing/crash-child.ts');
  const root = path.join(import.meta.dirname, '../../..');
  const flags = ['--module', 'nodenext', '--target', 'es2023', '--types', 'node', '--skipLibCheck', '--rootDir', root];
  const compiler = path.join(root, 'node_modules/.bin/tsc');
  execFileSync(compiler, ['--ignoreConfig', ...flags, '--outDir', built, source], { cwd: root });
  writeFileSync(path.join(built, 'package.json'), '{"type":"module"}');
  symlinkSync(path.join(root, 'node_modules'), path.join(built, 'node_modules'));
  child = path.join(built, 'manager/raft/disk/testing/crash-child.js');
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Acknowledged {
  term: number;
  /** The last entry's index. */
  entry: number;
  snapshot: number;
}

/** Starts the writer, kills it after so many acknowledgements, and adds to what was acknowledged. */
async function writeAndKill(data: string, count: number, acknowledged: Acknowledged): Promise<void> {
  const args = [child, data, key.toString('hex')];
  const writer = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(writer, 'exit');
  let lines = 0;
  for await (const line of createInterface({ input: writer.stdout })) {
    const [what, number] = line.split(' ') as [keyof Acknowledged, string];
    acknowledged[what] = Number(number);
    if (++lines === count) writer.kill('SIGKILL');
  }
  expect((await exited)[1]).toBe('SIGKILL');
}

async function recover(data: string): Promise<RecoveredState> {
  const keys = [{ id: '0123456789abcdef', key }];
  const { disk, state } = await RaftDisk.open({
    folder: data,
    keys,
    clock: systemClock,
    log: silentLogger,
    segmentBytes: 4096,
  });
  const { snapshot } = state;
  if (snapshot) {
    const chunks = Array.from({ length: 10 }, (_, i) => `chunk ${i} of ${snapshot.index}`);
    expect(await text(disk.readSnapshot(snapshot))).toEqual(chunks);
  }
  await disk.close();
  return state;
}

test('kill -9 - what was acknowledged is there after any number of crashes, and nothing else but whole writes', async () => {
  const data = path.join(folder, 'data');
  const acknowledged: Acknowledged = { term: 0, entry: 0, snapshot: 0 };
  const known = new Map<number, string>();
  for (const count of [1, 2, 7, 33, 90, 250, 41, 3, 160]) {
    await writeAndKill(data, count, acknowledged);
    const { hardState, snapshot, entries } = await recover(data);
    const first = (snapshot?.index ?? 0) + 1;
    expect(snapshot?.index ?? 0).toBeGreaterThanOrEqual(acknowledged.snapshot);
    expect(hardState).toMatchObject({ term: acknowledged.term, vote: acknowledged.term % 3 });
    expect(first + entries.length - 1).toBeGreaterThanOrEqual(acknowledged.entry);
    expect(hardState.commit).toBe(first + entries.length - 1);
    for (const [position, { index, term, data: bytes }] of entries.entries()) {
      const entry = Buffer.from(bytes).toString();
      expect(index).toBe(first + position);
      expect(entry).toBe(`entry ${index} of ${term}`);
      expect(known.get(index) ?? entry).toBe(entry);
      known.set(index, entry);
    }
  }
}, 60_000);
