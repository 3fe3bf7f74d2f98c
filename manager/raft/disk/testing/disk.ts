import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { ManualClock } from '../../../../lib/clock.js';
import { silentLogger } from '../../../../lib/log.js';
import { Entry, HardState, SnapshotMetadata } from '../../core/types.js';
import { type KeyRing, newStorageKey } from '../file-key.js';
import { RaftDisk, type RaftDiskOptions } from '../raft-disk.js';

export const testKeys: KeyRing = [newStorageKey()];

/** A folder that goes with the test. */
export function testFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'raft-disk-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return path.join(folder, 'raft');
}

export function openDisk(folder: string, options: Partial<RaftDiskOptions> = {}) {
  return RaftDisk.open({
    folder,
    keys: testKeys,
    clock: new ManualClock(),
    log: silentLogger,
    segmentBytes: 8192,
    onFatal: () => undefined,
    ...options,
  });
}

/** What would be recovered after a crash now: of a copy, so that the folder may be in use. */
export async function recover(folder: string, options: Partial<RaftDiskOptions> = {}) {
  const copy = mkdtempSync(path.join(tmpdir(), 'raft-disk-'));
  try {
    if (existsSync(folder)) cpSync(folder, copy, { recursive: true });
    const { disk, state } = await openDisk(copy, options);
    await disk.close();
    return state;
  } finally {
    rmSync(copy, { recursive: true });
  }
}

export function entry(index: number, term = 1, text = `entry ${index} of term ${term}`): Entry {
  return Entry.create({ index, term, data: Buffer.from(text) });
}

/** Entries from `first` to `last`. */
export function entries(first: number, last: number, term = 1): Entry[] {
  return Array.from({ length: last - first + 1 }, (_, i) => entry(first + i, term));
}

export function hardState(term: number, vote: number, commit: number): HardState {
  return HardState.create({ term, vote, commit });
}

export function snapshotAt(index: number, term = 1): SnapshotMetadata {
  return SnapshotMetadata.create({
    index,
    term,
    confState: { voters: [1, 2, 3], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false },
  });
}

export async function text(chunks: AsyncIterable<Uint8Array>): Promise<string[]> {
  const all: string[] = [];
  for await (const chunk of chunks) all.push(Buffer.from(chunk).toString());
  return all;
}
