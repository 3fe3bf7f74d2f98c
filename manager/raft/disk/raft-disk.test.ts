import { copyFileSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { InvariantError } from '../core/errors.js';
import { newestKey, newStorageKey } from './file-key.js';
import {
  entries,
  entry,
  hardState,
  openDisk,
  recover,
  snapshotAt,
  testFolder,
  testKeys,
  text,
} from './testing/disk.js';

const segments = (folder: string) => readdirSync(folder).filter((name) => /^wal-\d/.test(name));
const snapshots = (folder: string) => readdirSync(folder).filter((name) => name.startsWith('snapshot-'));

test('open - a new folder has nothing to remember', async () => {
  const folder = testFolder();
  const { disk, state, isNew } = await openDisk(folder);
  await disk.close();
  expect(isNew).toBe(true);
  expect(state).toEqual({ hardState: hardState(0, 0, 0), snapshot: undefined, entries: [] });
  const again = await openDisk(folder);
  await again.disk.close();
  expect(again.isNew).toBe(false);
});

test('append - entries and hard state are there after a restart, and after another', async () => {
  const folder = testFolder();
  const { disk } = await openDisk(folder);
  await disk.append({ entries: [], hardState: hardState(1, 2, 0) }, true);
  await disk.append({ entries: entries(1, 3) }, true);
  await disk.append({ entries: entries(4, 4, 2), hardState: hardState(2, 0, 3) }, true);
  await disk.close();
  const expected = {
    hardState: hardState(2, 0, 3),
    snapshot: undefined,
    entries: [...entries(1, 3), ...entries(4, 4, 2)],
  };
  expect(await recover(folder)).toEqual(expected);
  const { disk: again } = await openDisk(folder);
  await again.append({ entries: entries(5, 5, 2) }, true);
  await again.close();
  expect((await recover(folder)).entries).toEqual([...expected.entries, ...entries(5, 5, 2)]);
});

test('append - an entry replaces what was at its index and cuts off what was after it', async () => {
  const folder = testFolder();
  const { disk } = await openDisk(folder);
  await disk.append({ entries: entries(1, 5) }, true);
  await disk.append({ entries: entries(3, 3, 2) }, true);
  await disk.append({ entries: [...entries(4, 6, 2), ...entries(5, 5, 3)] }, true);
  await disk.close();
  const { entries: recovered } = await recover(folder);
  expect(recovered.map(({ index, term }) => [index, term])).toEqual([
    [1, 1],
    [2, 1],
    [3, 2],
    [4, 2],
    [5, 3],
  ]);
});

test('append - a commit index that need not be synced goes with the next frame', async () => {
  const folder = testFolder();
  const { disk } = await openDisk(folder);
  await disk.append({ entries: entries(1, 2), hardState: hardState(1, 1, 0) }, true);
  await disk.append({ entries: [], hardState: hardState(1, 1, 1) }, false);
  expect((await recover(folder)).hardState.commit).toBe(0);
  await disk.append({ entries: entries(3, 3) }, true);
  expect((await recover(folder)).hardState.commit).toBe(1);
  await disk.close();
});

test('close - writes what was held', async () => {
  const folder = testFolder();
  const { disk } = await openDisk(folder);
  await disk.append({ entries: entries(1, 2), hardState: hardState(1, 1, 0) }, true);
  await disk.append({ entries: [], hardState: hardState(1, 1, 2) }, false);
  await disk.close();
  expect((await recover(folder)).hardState.commit).toBe(2);
});

test('append - a log runs over many segments, and one entry may be larger than a segment', async () => {
  const folder = testFolder();
  const { disk } = await openDisk(folder);
  const large = entry(41, 1, 'x'.repeat(100_000));
  for (const one of entries(1, 40)) await disk.append({ entries: [one] }, true);
  await disk.append({ entries: [large] }, true);
  await disk.append({ entries: entries(42, 44), hardState: hardState(1, 1, 44) }, true);
  await disk.close();
  expect(segments(folder).length).toBeGreaterThan(3);
  const state = await recover(folder);
  expect(state.entries).toEqual([...entries(1, 40), large, ...entries(42, 44)]);
  expect(state.hardState.commit).toBe(44);
});

test('append - what a log could not be recovered from is refused before it is written', async () => {
  const folder = testFolder();
  const { disk } = await openDisk(folder);
  await disk.append({ entries: entries(1, 3) }, true);
  await expect(disk.append({ entries: entries(5, 5) }, true)).rejects.toThrow(InvariantError);
  await expect(disk.append({ entries: [], hardState: hardState(1, 0, 4) }, true)).rejects.toThrow(InvariantError);
  const first = disk.append({ entries: entries(4, 4) }, true);
  await expect(disk.append({ entries: entries(4, 4) }, true)).rejects.toThrow('append during append');
  await first;
  await disk.close();
  expect((await recover(folder)).entries).toEqual(entries(1, 4));
});

test('open - snapshots without a log are damage', async () => {
  const folder = testFolder();
  const { disk } = await openDisk(folder);
  await disk.writeSnapshot(snapshotAt(7), []);
  await disk.close();
  for (const name of segments(folder)) rmSync(path.join(folder, name));
  await expect(openDisk(folder)).rejects.toThrow('there are snapshots, but no log');
});

test('open - a segment that is missing, or that stands in the place of another, is damage', async () => {
  const folder = testFolder();
  const { disk } = await openDisk(folder);
  for (const one of entries(1, 60)) await disk.append({ entries: [one] }, true);
  await disk.close();
  const [first = '', second = '', third = ''] = segments(folder).map((name) => path.join(folder, name));
  const gap = () => expect(openDisk(folder)).rejects;
  renameSync(second, `${second}.away`);
  await gap().toThrow(`${third} is damaged at offset 0: segment 2, before it, is missing`);
  copyFileSync(third, second);
  await gap().toThrow(`${second} is damaged at offset 48: its header says that it is ${path.basename(third)}`);
  renameSync(`${second}.away`, second);
  rmSync(first);
  await gap().toThrow(/at offset \d+: entries 1 to \d+, before the first segment, are missing$/);
});

test('snapshot - its chunks come back as they were given', async () => {
  const folder = testFolder();
  const { disk } = await openDisk(folder);
  await disk.writeSnapshot(
    snapshotAt(7),
    ['first', '', 'x'.repeat(300_000)].map((chunk) => Buffer.from(chunk)),
  );
  expect(await text(disk.readSnapshot(snapshotAt(7)))).toEqual(['first', '', 'x'.repeat(300_000)]);
  await disk.close();
});

test('adopt - the log begins after the snapshot, and segments before it are removed', async () => {
  const folder = testFolder();
  const { disk } = await openDisk(folder);
  for (const one of entries(1, 40)) await disk.append({ entries: [one] }, true);
  await disk.append({ entries: [], hardState: hardState(1, 1, 38) }, true);
  const before = segments(folder);
  await disk.writeSnapshot(snapshotAt(38), [Buffer.from('thirty-eight')]);
  await disk.adopt(snapshotAt(38), { replace: false });
  expect(segments(folder).length).toBeLessThan(before.length);
  await disk.append({ entries: entries(41, 41) }, true);
  await disk.close();
  const { disk: again, state } = await openDisk(folder);
  expect(state).toEqual({ hardState: hardState(1, 1, 38), snapshot: snapshotAt(38), entries: entries(39, 41) });
  expect(await text(again.readSnapshot(snapshotAt(38)))).toEqual(['thirty-eight']);
  await again.close();
});

test("adopt - a leader's snapshot replaces the log, whatever was in it", async () => {
  const folder = testFolder();
  const { disk } = await openDisk(folder);
  for (const one of entries(1, 40)) await disk.append({ entries: [one] }, true);
  await disk.writeSnapshot(snapshotAt(20, 4), [Buffer.from('twenty')]);
  await disk.adopt(snapshotAt(20, 4), { replace: true });
  expect(segments(folder)).toHaveLength(1);
  // The crash comes before the hard state that belongs to it: its term has begun, without a vote.
  const replaced = { hardState: hardState(4, 0, 20), snapshot: snapshotAt(20, 4), entries: [] };
  expect(await recover(folder)).toEqual(replaced);
  await disk.close();
});

test('adopt - entries go on after a snapshot that replaced the log', async () => {
  const folder = testFolder();
  const { disk } = await openDisk(folder);
  await disk.append({ entries: entries(1, 4), hardState: hardState(1, 2, 2) }, true);
  await disk.writeSnapshot(snapshotAt(90, 4), []);
  await disk.adopt(snapshotAt(90, 4), { replace: true });
  await disk.append({ entries: entries(91, 120, 5), hardState: hardState(5, 3, 100) }, true);
  await disk.close();
  const expected = { hardState: hardState(5, 3, 100), snapshot: snapshotAt(90, 4), entries: entries(91, 120, 5) };
  expect(await recover(folder)).toEqual(expected);
});

test('adopt - old snapshots are kept as asked, and none that is not in force survives a restart', async () => {
  const folder = testFolder();
  const { disk } = await openDisk(folder, { keepOldSnapshots: () => 1 });
  await disk.append({ entries: entries(1, 50) }, true);
  for (const index of [10, 20, 30]) {
    await disk.writeSnapshot(snapshotAt(index), [Buffer.from(String(index))]);
    await disk.adopt(snapshotAt(index), { replace: false });
  }
  expect(snapshots(folder)).toHaveLength(2);
  await disk.writeSnapshot(snapshotAt(40), []);
  await disk.close();
  writeFileSync(path.join(folder, 'snapshot-0000000000000001-0000000000000045.1.tmp'), 'half');
  const { disk: again, state } = await openDisk(folder, { keepOldSnapshots: () => 1 });
  expect(state.snapshot).toEqual(snapshotAt(30));
  expect(snapshots(folder)).toHaveLength(2);
  expect(await text(again.readSnapshot(snapshotAt(20)))).toEqual(['20']);
  await again.close();
});

test('adopt - only a later snapshot, that is there', async () => {
  const { disk } = await openDisk(testFolder());
  await disk.append({ entries: entries(1, 9) }, true);
  await expect(disk.adopt(snapshotAt(5), { replace: false })).rejects.toThrow('ENOENT');
  await disk.writeSnapshot(snapshotAt(5), []);
  await disk.adopt(snapshotAt(5), { replace: false });
  await expect(disk.adopt(snapshotAt(5), { replace: true })).rejects.toThrow(InvariantError);
  await disk.close();
});

test('writeSnapshot - a source that fails leaves nothing, and its error comes back', async () => {
  const folder = testFolder();
  const { disk } = await openDisk(folder);
  async function* failing() {
    yield Buffer.from('some');
    throw new Error('the leader is gone');
  }
  await expect(disk.writeSnapshot(snapshotAt(5), failing())).rejects.toThrow('the leader is gone');
  expect(snapshots(folder)).toEqual([]);
  await disk.close();
});

test('keys - a file is opened with its own key, new files are sealed with the newest', async () => {
  const folder = testFolder();
  const { disk } = await openDisk(folder);
  await disk.append({ entries: entries(1, 2) }, true);
  await disk.close();
  const newest = newStorageKey();
  const { disk: rotated } = await openDisk(folder, { keys: [newest, ...testKeys] });
  await rotated.append({ entries: entries(3, 3) }, true);
  await rotated.writeSnapshot(snapshotAt(3), []);
  await rotated.adopt(snapshotAt(3), { replace: false });
  await rotated.close();
  expect((await recover(folder, { keys: [newest] })).snapshot).toEqual(snapshotAt(3));
});

test('keys - without its key a file says which one is missing; with a wrong one, that it cannot be opened', async () => {
  const folder = testFolder();
  const { disk } = await openDisk(folder);
  await disk.append({ entries: entries(1, 2) }, true);
  await disk.close();
  const { id } = newestKey(testKeys);
  const missing = `is sealed with key ${id}, which this manager does not have`;
  await expect(recover(folder, { keys: [newStorageKey()] })).rejects.toThrow(missing);
  const wrong = { ...newStorageKey(), id };
  await expect(recover(folder, { keys: [wrong] })).rejects.toThrow('sealed with another key');
  expect((await recover(folder)).entries).toHaveLength(2);
});

test('sealing - no file shows what is in an entry or a snapshot', async () => {
  const folder = testFolder();
  const { disk } = await openDisk(folder);
  await disk.append({ entries: [entry(1, 1, 'a secret of the swarm')] }, true);
  await disk.writeSnapshot(snapshotAt(1), [Buffer.from('a secret of the swarm')]);
  await disk.adopt(snapshotAt(1), { replace: false });
  await disk.close();
  for (const name of readdirSync(folder))
    expect(readFileSync(path.join(folder, name)).includes('secret of'), name).toBe(false);
});

test('failure - a write that fails is reported once, and nothing is written any more', async () => {
  const folder = testFolder();
  const failures: unknown[] = [];
  const { disk } = await openDisk(folder, { onFatal: (error) => failures.push(error) });
  rmSync(folder, { recursive: true });
  const fill = async () => {
    for (const one of entries(1, 40)) await disk.append({ entries: [one] }, true);
  };
  await expect(fill()).rejects.toThrow('ENOENT');
  await expect(disk.append({ entries: entries(2, 2) }, true)).rejects.toThrow('the raft log has failed');
  await expect(disk.writeSnapshot(snapshotAt(1), [])).rejects.toThrow();
  expect(failures).toHaveLength(1);
  await disk.close();
});
