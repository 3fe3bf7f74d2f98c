import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { errnoOf } from '../../lib/errors.js';
import { Task } from '../../proto/gen/index.js';
import { DurableFolder } from './durable-folder.js';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'durable-folder-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const task = Task.create({ id: 'dmsk2q0f7gz5', serviceName: 'web', slot: 3, nodeId: 'node1' });

/** The folder with one file, and what becomes of it when its bytes are others. */
async function recorded() {
  const folder = await DurableFolder.open(root);
  await folder.write('a', Task.encode(task));
  const file = join(root, 'a');
  const read = async (bytes: Uint8Array): Promise<Task | undefined> => {
    await writeFile(file, bytes);
    try {
      return Task.decode(await folder.read('a'));
    } catch (error) {
      if (errnoOf(error) !== undefined) throw error;
      return undefined;
    }
  };
  return { bytes: await readFile(file), read };
}

describe('DurableFolder', () => {
  it('takes no file for whole in which one byte is another', async () => {
    const { bytes, read } = await recorded();
    for (let at = 0; at < bytes.length; at++) {
      for (const flip of [1, 2, 4, 8, 16, 32, 64, 128, 255]) {
        const altered = Buffer.from(bytes);
        altered.writeUInt8((bytes[at] ?? 0) ^ flip, at);
        expect(await read(altered), `byte ${at} by ${flip}`).toBeUndefined();
      }
    }
  });

  it('takes no file for whole that was cut off, be it at its beginning', async () => {
    const { bytes, read } = await recorded();
    for (let length = 0; length < bytes.length; length++)
      expect(await read(bytes.subarray(0, length)), `${length} bytes`).toBeUndefined();
    expect(await read(bytes)).toEqual(task);
  });

  it('reads what a daemon wrote that knew no checksums, and such a daemon reads what is written now', async () => {
    const { bytes, read } = await recorded();
    expect(await read(Task.encode(task))).toEqual(task);
    expect(Task.decode(bytes)).toEqual(task);
  });
});
