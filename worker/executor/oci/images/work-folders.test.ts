import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WorkFolders } from './work-folders.js';

let parent: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'tsswarm-work-'));
});
afterEach(() => rm(parent, { recursive: true, force: true }));

test('open - those that begin and end all the time take nobody else for gone', async () => {
  const turn = async () => {
    const folders = await WorkFolders.open(parent);
    await folders.use((folder) => writeFile(join(folder, 'file'), 'here'));
    await folders.close();
  };
  const turns = async () => {
    for (let i = 0; i < 12; i++) await turn();
  };
  await Promise.all(Array.from({ length: 8 }, turns));
  expect(await readdir(parent)).toEqual([]);
});

test('open - removes what a process that is gone has left', async () => {
  await mkdir(join(parent, 'work-left'));
  await writeFile(join(parent, 'work-left', 'lock'), '');
  const folders = await WorkFolders.open(parent);
  expect(await readdir(parent)).not.toContain('work-left');
  await folders.close();
});
