import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { SwarmError } from '../../../lib/errors.js';
import { FIRST_FRAME } from './file-header.js';
import { type FileId, fileName, listFolder } from './files.js';
import { SECTOR } from './frame.js';
import { entries, entry, hardState, openDisk, recover, snapshotAt, testFolder, testKeys } from './testing/disk.js';
import { adopt, append, describeState, nothing, type Step, write } from './testing/history.js';
import { recoverWal } from './wal.js';

/** A frame: where it begins, where its body ends (filler follows), and what there was without it and with it. */
interface Written {
  readonly offset: number;
  readonly bodyEnd: number;
  readonly end: number;
  readonly before: readonly string[];
}

/** The files of a log that was not closed, and what is known of each byte in them. */
class Recording {
  readonly folder: string;
  readonly files = new Map<string, Buffer>();
  readonly ids: FileId[] = [];
  readonly snapshots: string[] = [];
  /** Of each segment. */
  readonly frames = new Map<string, Written[]>();
  final = '';

  constructor(folder: string) {
    this.folder = folder;
  }

  get last(): string {
    return fileName(this.ids.at(-1) as FileId);
  }

  /** The frame that was written last of all. */
  get newest(): Written {
    return this.frames.get(this.last)?.at(-1) as Written;
  }

  recover(changed = '', bytes?: Buffer): Promise<string> {
    const read = (file: string) => {
      const name = path.basename(file);
      return (name === changed ? bytes : this.files.get(name)) ?? Buffer.alloc(0);
    };
    return recoverWal(this.folder, this.ids, testKeys, read).then(({ state }) => describeState(state));
  }

  /** As recover, but damage is given as the offset that it is reported at; in another file it is thrown. */
  async attempt(changed: string, bytes: Buffer): Promise<string | number> {
    try {
      return await this.recover(changed, bytes);
    } catch (error) {
      const [, file, offset] = /^(.*) is damaged at offset (\d+): ./.exec((error as Error).message) ?? [];
      const reported = error instanceof SwarmError && error.code === 'INTERNAL';
      if (!reported || file !== path.join(this.folder, changed)) throw error;
      return Number(offset);
    }
  }
}

async function record(folder: string, steps: readonly Step[]): Promise<Recording> {
  const recording = new Recording(folder);
  const { disk } = await openDisk(folder, { segmentBytes: 5 * SECTOR });
  let state = nothing;
  let possible = [describeState(state)];
  const known = new Map<string, Written[]>();
  for (const step of steps) {
    await step.run(disk);
    state = step.after(state);
    const now = describeState(state);
    if (!step.durable) {
      possible.push(now);
      continue;
    }
    const { segments: read } = await recoverWal(folder, (await listFolder(folder)).segments, testKeys);
    for (const { id, frames, end } of read) {
      const name = fileName(id);
      const file = readFileSync(path.join(folder, name));
      const all = known.get(name) ?? [];
      known.set(name, all);
      for (const { offset } of frames.slice(all.length)) {
        const bodyEnd = offset + 16 + file.readUInt32LE(offset + 4);
        all.push({ offset, bodyEnd, end: Math.ceil(bodyEnd / SECTOR) * SECTOR, before: possible });
      }
      expect(all.at(-1)?.end).toBe(end);
    }
    possible = [now];
  }
  const { segments, snapshots } = await listFolder(folder);
  recording.snapshots.push(...snapshots.map(fileName));
  recording.ids.push(...segments);
  for (const name of segments.map(fileName)) {
    recording.files.set(name, readFileSync(path.join(folder, name)));
    recording.frames.set(name, known.get(name) ?? []);
  }
  recording.final = describeState(state);
  await disk.close();
  return recording;
}

// Three segments, the last one with some space left; a conflict that is overwritten, a snapshot of a prefix.
const steps: readonly Step[] = [
  append([], hardState(1, 1, 0)),
  append(entries(1, 3)),
  append([], hardState(1, 1, 2), false),
  append([...entries(3, 4, 2), ...entries(4, 4, 3)], hardState(3, 2, 2)),
  append([], hardState(4, 0, 3)),
  write(snapshotAt(3, 2)),
  adopt(snapshotAt(3, 2), false),
  append(entries(5, 5, 4)),
  append([entry(6, 4, 'y'.repeat(600))]),
];

describe('a log', { timeout: 180_000 }, () => {
  let recording: Recording;
  beforeAll(async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'raft-disk-'));
    recording = await record(folder, steps).finally(() => rmSync(folder, { recursive: true }));
  });

  test('is recovered as it was written', async () => {
    expect(recording.ids).toHaveLength(3);
    expect(await recording.recover()).toBe(recording.final);
  });

  test('cut off at any byte - the last segment has all that was written before, others are damaged', async () => {
    for (const [name, file] of recording.files) {
      const frames = recording.frames.get(name) ?? [];
      for (let size = 0; size < file.length; size++) {
        const result = await recording.attempt(name, file.subarray(0, size));
        const where = `${name} cut at ${size}`;
        const lost = frames.findIndex(({ bodyEnd }) => bodyEnd > size);
        if (lost === -1) expectIs(result, [recording.final], where);
        else if (name !== recording.last || lost === 0)
          expectDamage(result, 0, Math.ceil(size / SECTOR) * SECTOR, where);
        else expectIs(result, frames[lost]?.before ?? [], where);
      }
    }
  });

  test('any byte altered - damage is reported where it is, unless the byte means nothing', async () => {
    for (const [name, file] of recording.files) {
      const frames = recording.frames.get(name) ?? [];
      for (let at = 0; at < file.length; at++) {
        const altered = Buffer.from(file);
        altered[at] = ~(altered[at] as number);
        const result = await recording.attempt(name, altered);
        const where = `${name} altered at ${at}`;
        const frame = frames.find(({ offset, bodyEnd }) => at >= offset && at < bodyEnd);
        if (frame) expectDamage(result, frame.offset, frame.offset, where);
        else if (at < FIRST_FRAME && typeof result === 'number') expectDamage(result, 0, at, where);
        else if (typeof result === 'string') expectIs(result, [recording.final], where);
        else expectDamage(result, frames.at(-1)?.end ?? 0, at, where);
      }
    }
  });

  test('any sector zero - a frame is torn only where it is the last one', async () => {
    for (const [name, file] of recording.files) {
      const frames = recording.frames.get(name) ?? [];
      const newest = name === recording.last ? frames.at(-1) : undefined;
      for (let at = 0; at < file.length; at += SECTOR) {
        const altered = Buffer.from(file);
        altered.fill(0, at, at + SECTOR);
        const result = await recording.attempt(name, altered);
        const where = `${name} without sector ${at}`;
        const frame = frames.find(({ offset, end }) => at >= offset && at < end);
        if (at < FIRST_FRAME) expectDamage(result, 0, 0, where);
        else if (frame && frame !== newest) expectDamage(result, frame.offset, frame.offset, where);
        else expectIs(result, frame ? frame.before : [recording.final], where);
      }
    }
  });

  test('any sectors of the last frame missing - it is cut off', async () => {
    const frame = recording.newest;
    const sectors = (frame.end - frame.offset) / SECTOR;
    const before = new Set<string>();
    for (let missing = 1; missing < 2 ** sectors; missing++) {
      const altered = Buffer.from(recording.files.get(recording.last) as Buffer);
      for (let sector = 0; sector < sectors; sector++)
        if (missing & (1 << sector))
          altered.fill(0, frame.offset + sector * SECTOR, frame.offset + (sector + 1) * SECTOR);
      const result = await recording.attempt(recording.last, altered);
      expectIs(result, frame.before, `sectors ${missing.toString(2)} missing`);
      before.add(String(result));
    }
    expect(sectors).toBeGreaterThan(1);
    expect(before.size).toBe(1);
  });

  test('a torn end is cut off once, and the log goes on behind it', async () => {
    const { offset, end, before } = recording.newest;
    for (const size of [offset + 1, end - SECTOR]) {
      const folder = testFolder();
      mkdirSync(folder);
      for (const [name, file] of recording.files) writeFileSync(path.join(folder, name), file);
      for (const snapshot of recording.snapshots) writeFileSync(path.join(folder, snapshot), '');
      const torn = path.join(folder, recording.last);
      writeFileSync(torn, (recording.files.get(recording.last) as Buffer).subarray(0, size));
      const { disk, state } = await openDisk(folder);
      expect(before).toContain(describeState(state));
      expect(statSync(torn).size).toBe(offset);
      const next = (state.snapshot?.index ?? 0) + state.entries.length + 1;
      await disk.append({ entries: entries(next, next, 9) }, true);
      await disk.close();
      const expected = { ...state, entries: [...state.entries, ...entries(next, next, 9)] };
      expect(await recover(folder)).toEqual(expected);
    }
  });
});

function expectIs(result: string | number, states: readonly string[], where: string): void {
  if (!states.includes(String(result))) expect.fail(`${where}: recovered ${result}, not ${states.join(' or ')}`);
}

function expectDamage(result: string | number, from: number, to: number, where: string): void {
  if (typeof result === 'string') expect.fail(`${where}: not reported, recovered ${result}`);
  if (result < from || result > to) expect.fail(`${where}: reported at ${result}, not in ${from} to ${to}`);
}
