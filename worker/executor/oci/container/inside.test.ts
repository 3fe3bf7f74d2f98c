import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readInside } from './inside.js';
import { ContainerRoot } from './root.js';

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
  execFileSync('mkfifo', [join(root, 'etc/fifo')]);
  await writeFile(join(root, 'etc/large'), '');
  await truncate(join(root, 'etc/large'), 2 ** 30);
});

afterAll(() => rm(root, { recursive: true }));

describe('reading inside a root filesystem', () => {
  it.each(['/usr/passwd', '/etc/absolute', '/etc/relative'])('follows %s', async (path) => {
    expect(await readInside(root, path)).toBe('inside');
  });

  it.each(['/etc/outside', '/etc/loop', '/etc/none', '/usr/passwd/x', '/etc', '/etc/fifo'])(
    'finds nothing at %s',
    async (path) => {
      expect(await readInside(root, path)).toBe('');
    },
  );

  it('refuses what would fill memory, in an image and in a container', async () => {
    const error = { code: 'FAILED_PRECONDITION', value: '/etc/large' };
    await expect(readInside(root, '/etc/large')).rejects.toMatchObject(error);
    const container = new ContainerRoot(root);
    try {
      await expect(container.readText('/etc/large')).rejects.toMatchObject(error);
      expect(await container.readText('/etc/fifo')).toBe('');
      expect(await container.readText('/usr/passwd')).toBe('inside');
    } finally {
      container.close();
    }
  });
});
