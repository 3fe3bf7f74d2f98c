import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { deferred } from '../../../lib/async.js';
import { SwarmError } from '../../../lib/errors.js';
import { fileName } from './files.js';
import { SECTOR } from './frame.js';
import { snapshotId } from './snapshot-file.js';
import { entries, openDisk, snapshotAt, testFolder, text } from './testing/disk.js';

const metadata = snapshotAt(7, 3);

test('snapshot - cut off at any byte, or with any byte altered, is never read as another', async () => {
  const folder = testFolder();
  const { disk } = await openDisk(folder);
  await disk.writeSnapshot(metadata, [Buffer.from('the state')]);
  const name = path.join(folder, fileName(snapshotId(metadata)));
  const whole = readFileSync(name);
  const lengths = [1, 2, 3].map((sector) => 16 + whole.readUInt32LE(sector * SECTOR + 4));
  const matters = (at: number) => at % SECTOR < (lengths[Math.floor(at / SECTOR) - 1] ?? 68);
  const attempt = async (): Promise<unknown> =>
    (await text(disk.readSnapshot(metadata)).catch((error) => error)) as unknown;
  const check = (result: unknown, where: string, mustFail: boolean) => {
    const damage = result instanceof SwarmError && result.message.startsWith(`${name} is damaged at offset `);
    if (!damage && (mustFail || String(result) !== 'the state')) expect.fail(`${where}: ${result}`);
  };
  for (let at = 0; at < whole.length; at++) {
    const altered = Buffer.from(whole);
    altered[at] = ~(altered[at] as number);
    writeFileSync(name, altered);
    check(await attempt(), `altered at ${at}`, matters(at));
  }
  writeFileSync(name, whole);
  expect(await attempt()).toEqual(['the state']);
  for (let size = whole.length - 1; size >= 0; size--) {
    truncateSync(name, size);
    check(await attempt(), `cut at ${size}`, size < 3 * SECTOR + (lengths[2] ?? 0));
  }
  await disk.close();
}, 60_000);

test('snapshot - one that is not there is damage', async () => {
  const { disk } = await openDisk(testFolder());
  await expect(text(disk.readSnapshot(metadata))).rejects.toThrow('is damaged at offset 0: the snapshot is missing');
  await disk.close();
});

test('snapshot - the log goes on while a slow one is written, and it stays unseen until it is whole', async () => {
  const folder = testFolder();
  const { disk } = await openDisk(folder);
  const rest = deferred<Buffer>();
  async function* slow() {
    yield Buffer.from('first');
    yield await rest.promise;
  }
  const written = disk.writeSnapshot(metadata, slow());
  await disk.append({ entries: entries(1, 8) }, true);
  expect(readdirSync(folder).filter((name) => /^snapshot-[\d-]+$/.test(name))).toEqual([]);
  rest.resolve(Buffer.from('second'));
  await written;
  await disk.adopt(metadata, { replace: false });
  expect(await text(disk.readSnapshot(metadata))).toEqual(['first', 'second']);
  await disk.close();
});

test('snapshot - one that is being written when the log is closed ends there', async () => {
  const folder = testFolder();
  const { disk } = await openDisk(folder);
  const rest = deferred<Buffer>();
  async function* slow() {
    yield await rest.promise;
  }
  const written = expect(disk.writeSnapshot(metadata, slow())).rejects.toThrow('the raft log is closed');
  await disk.close();
  rest.resolve(Buffer.from('late'));
  await written;
  expect(readdirSync(folder).filter((name) => name.startsWith('snapshot-'))).toEqual([]);
});

test('snapshot - one that is being read is read to its end, even when a later one is adopted', async () => {
  const { disk } = await openDisk(testFolder());
  await disk.append({ entries: entries(1, 9) }, true);
  await disk.writeSnapshot(
    metadata,
    ['a', 'b'].map((chunk) => Buffer.from(chunk)),
  );
  await disk.adopt(metadata, { replace: false });
  const reading = disk.readSnapshot(metadata)[Symbol.asyncIterator]();
  expect(Buffer.from((await reading.next()).value).toString()).toBe('a');
  await disk.writeSnapshot(snapshotAt(9, 3), []);
  await disk.adopt(snapshotAt(9, 3), { replace: false });
  expect(Buffer.from((await reading.next()).value).toString()).toBe('b');
  expect((await reading.next()).done).toBe(true);
  await disk.close();
});
