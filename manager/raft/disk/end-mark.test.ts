import { cpSync, existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { ManualClock } from '../../../lib/clock.js';
import { listFolder } from './files.js';
import { entries, hardState, openDisk, recover, testFolder, testKeys } from './testing/disk.js';
import { recoverWal } from './wal.js';

const segments = (folder: string) => readdirSync(folder).filter((name) => /^wal-\d/.test(name));
const lastSegment = (folder: string) => path.join(folder, segments(folder).at(-1) ?? '');

/** The offsets at which the frames of the last segment begin; the first one is always there. */
async function frameOffsets(folder: string): Promise<number[]> {
  const { segments: read } = await recoverWal(folder, (await listFolder(folder)).segments, testKeys);
  return read.at(-1)?.frames.map(({ offset }) => offset) ?? [];
}

/** A log with some frames in its last segment, the last of which is a vote. */
async function write(folder: string, clock = new ManualClock()) {
  const { disk } = await openDisk(folder, { clock });
  for (const one of entries(1, 40)) await disk.append({ entries: [one] }, true);
  await disk.append({ entries: [], hardState: hardState(7, 2, 3) }, true);
  return disk;
}

test('a log that was closed - an end that is gone is noticed, wherever it was cut', async () => {
  const folder = testFolder();
  await (await write(folder)).close();
  const file = lastSegment(folder);
  const whole = readFileSync(file);
  const offsets = await frameOffsets(folder);
  expect(offsets.length).toBeGreaterThan(3);
  for (const offset of offsets.slice(1)) {
    for (const size of [offset, offset + 1]) {
      writeFileSync(file, whole.subarray(0, size));
      await expect(openDisk(folder), `cut at ${size}`).rejects.toThrow(
        `the end of this manager's log is gone: ${file} ends at offset ${offset}, but it was written up to `,
      );
      // Nothing was changed: it is refused again, and a backup can still be compared.
      expect(readFileSync(file)).toEqual(whole.subarray(0, size));
    }
  }
  writeFileSync(file, whole);
  expect((await recover(folder)).hardState).toEqual(hardState(7, 2, 3));
});

test('a log that was closed - zeros where its end was are noticed too', async () => {
  const folder = testFolder();
  await (await write(folder)).close();
  const file = lastSegment(folder);
  const [last = 0] = (await frameOffsets(folder)).toReversed();
  writeFileSync(file, readFileSync(file).fill(0, last));
  await expect(openDisk(folder)).rejects.toThrow(`${file} ends at offset ${last}, but`);
});

test('segments - without the last one, or any of them, it is refused', async () => {
  const folder = testFolder();
  const disk = await write(folder);
  // Not closed: a segment is marked when it is begun.
  const copy = `${folder}-copy`;
  cpSync(folder, copy, { recursive: true });
  await disk.close();
  const file = lastSegment(copy);
  rmSync(file);
  await expect(openDisk(copy)).rejects.toThrow(`${file} is missing: it was the last segment of the log`);
  for (const name of segments(copy)) rmSync(path.join(copy, name));
  await expect(openDisk(copy)).rejects.toThrow(`${file} is missing`);
});

test('kill -9 - what was written a second before is marked, what came after may be cut off unnoticed', async () => {
  const folder = testFolder();
  const clock = new ManualClock();
  const disk = await write(folder, clock);
  await clock.advance(1_000);
  const marked = (await frameOffsets(folder)).at(-1) ?? 0;
  await expect.poll(() => cutAt(folder, marked)).toContain(`ends at offset ${marked}, but it was written up to`);
  await disk.append({ entries: entries(41, 41) }, true);
  const unmarked = (await frameOffsets(folder)).at(-1) ?? 0;
  expect(await cutAt(folder, unmarked)).toBe('opened');
  expect(await cutAt(folder, marked)).toContain(`ends at offset ${marked}, but it was written up to`);
  await disk.close();
});

/** What becomes of a copy of a folder in use, with its last segment cut. */
async function cutAt(folder: string, size: number): Promise<string> {
  const copy = testFolder();
  cpSync(folder, copy, { recursive: true });
  truncateSync(lastSegment(copy), size);
  try {
    await (await openDisk(copy)).disk.close();
    return 'opened';
  } catch (error) {
    return String(error);
  } finally {
    rmSync(copy, { recursive: true });
  }
}

test('the mark - one that is damaged says so; without one the log goes on with what there is', async () => {
  const folder = testFolder();
  await (await write(folder)).close();
  const mark = path.join(folder, 'wal-end');
  const sound = readFileSync(mark);
  for (let at = 0; at < 36; at++) {
    const altered = Buffer.from(sound);
    altered[at] = ~(altered[at] as number);
    writeFileSync(mark, altered);
    await expect(openDisk(folder), `byte ${at}`).rejects.toThrow(`${mark} is damaged`);
  }
  rmSync(mark);
  truncateSync(lastSegment(folder), (await frameOffsets(folder)).at(-1));
  const { disk, state } = await openDisk(folder);
  await disk.close();
  expect(state.entries).toHaveLength(40);
  expect(existsSync(mark)).toBe(true);
});
