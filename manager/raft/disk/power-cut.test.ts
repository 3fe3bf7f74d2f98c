import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { messageOf } from '../../../lib/errors.js';
import { fileName, listFolder, writeAt } from './files.js';
import { SECTOR } from './frame.js';
import type { RecoveredState } from './raft-disk.js';
import type { SegmentContents } from './segment-reader.js';
import { entry, openDisk, testFolder, testKeys, text } from './testing/disk.js';
import { append, contents, describeState, history, nothing } from './testing/history.js';
import { type Image, PowerCut } from './testing/power-cut.js';
import { recoverWal } from './wal.js';

interface Claim {
  readonly image: Image;
  /** States of which one must be recovered. */
  readonly possible: readonly string[];
  readonly where: string;
}

test('power failure - at any moment, what was acknowledged is there, and what was not is gone or whole', async () => {
  const folder = testFolder();
  mkdirSync(folder);
  const claims: Claim[] = [];
  let state = nothing;
  let possible = [describeState(state)];
  let running = 'the first start';
  const cut = await PowerCut.watch(folder, ({ operation, images }) => {
    for (const [kind, image] of Object.entries(images))
      claims.push({ image, possible: [...possible], where: `${running}, after ${operation}: what is ${kind}` });
  });
  try {
    let { disk } = await start(folder);
    for (const [number, step] of history.entries()) {
      running = `step ${number}`;
      state = step.after(state);
      possible.push(describeState(state));
      await step.run(disk);
      if (step.durable) possible = [describeState(state)];
      if (number % 4 !== 3) continue;
      running = `the restart after step ${number}`;
      await disk.close();
      possible = [describeState(state)];
      await tear(folder);
      ({ disk } = await start(folder));
      running = `the crash after step ${number}, within a write that nobody was told of`;
      const whole = append([entry(lastOf(state) + 1, 9)]);
      state = whole.after(state);
      possible.push(describeState(state));
      cut.hold = true;
      await whole.run(disk);
      await disk.close();
      cut.hold = false;
      ({ disk } = await start(folder));
      // Whoever opens it is told of that write: it may not be lost any more.
      possible = [describeState(state)];
    }
    await disk.close();
  } finally {
    cut.stop();
  }
  expect(claims.length).toBeGreaterThan(300);
  await checkAll(claims);
}, 120_000);

function start(folder: string) {
  return openDisk(folder, { segmentBytes: 4096, keepOldSnapshots: () => 1 });
}

function lastOf({ snapshot, entries }: RecoveredState): number {
  return (snapshot?.index ?? 0) + entries.length;
}

/** Leaves the second sector of a frame whose first one never reached the disk. */
async function tear(folder: string): Promise<void> {
  const { segments } = await recoverWal(folder, (await listFolder(folder)).segments, testKeys);
  const { id, end } = segments.at(-1) as SegmentContents;
  const file = await open(path.join(folder, fileName(id)), 'r+');
  await writeAt(file, Buffer.alloc(SECTOR, 0x55), end + SECTOR);
  await file.sync();
  await file.close();
}

async function checkAll(claims: readonly Claim[]): Promise<void> {
  const recovered = new Map<string, string>();
  for (const { image, possible, where } of claims) {
    const digest = digestOf(image);
    const state = recovered.get(digest) ?? (await recoverImage(image, where));
    recovered.set(digest, state);
    if (!possible.includes(state)) expect.fail(`${where}: recovered ${state}, not ${possible.join(' or ')}`);
  }
}

function digestOf(image: Image): string {
  const hash = createHash('sha256');
  for (const name of [...image.keys()].sort()) hash.update(`${name} `).update(image.get(name) ?? '');
  return hash.digest('hex');
}

/** Recovers twice: the second time what the first one left. */
async function recoverImage(image: Image, where: string): Promise<string> {
  const folder = path.join(tmpdir(), `power-cut-${randomUUID()}`);
  mkdirSync(folder);
  try {
    for (const [name, bytes] of image) writeFileSync(path.join(folder, name), bytes);
    const first = await start(folder);
    const { snapshot } = first.state;
    if (snapshot) expect(await text(first.disk.readSnapshot(snapshot)), where).toEqual(contents(snapshot));
    await first.disk.close();
    const second = await start(folder);
    await second.disk.close();
    expect(describeState(second.state), where).toBe(describeState(first.state));
    return describeState(first.state);
  } catch (error) {
    throw new Error(`${where}: ${messageOf(error)}`, { cause: error });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
