import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readInside } from './inside.js';

let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tsswarm-inside-'));
  await mkdir(join(root, 'etc'));
  await mkdir(join(root, 'usr'));
  await writeFile(join(root, 'usr/passwd'), 'inside');
  await symlink('/usr/passwd', join(root, 'etc/absolute'));
  await symlink('../../../../usr/passwd', join(root, 'etc/relative'));
  await symlink('/etc/hostname', join(root, 'etc/outside'));
  await symlink('loop', join(root, 'etc/loop'));
});

afterAll(() => rm(root, { recursive: true }));

describe('reading inside a root filesystem', () => {
  it.each(['/usr/passwd', '/etc/absolute', '/etc/relative'])('follows %s', async (path) => {
    expect(await readInside(root, path)).toBe('inside');
  });

  it.each(['/etc/outside', '/etc/loop', '/etc/none', '/usr/passwd/x', '/etc'])('finds nothing at %s', async (path) => {
    expect(await readInside(root, path)).toBe('');
  });
});
