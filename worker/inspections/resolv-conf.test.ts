import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { newId } from '../../lib/ids.js';
import { resolvConfOf } from './resolv-conf.js';

test('resolvConfOf - what the container sees, unless it has made it too large', async () => {
  const dataRoot = await mkdtemp(join(tmpdir(), 'tsswarm-resolv-'));
  onTestFinished(() => rm(dataRoot, { recursive: true }));
  const id = newId();
  const file = join(dataRoot, 'containers', id, 'etc', 'resolv.conf');
  expect(await resolvConfOf(dataRoot, id)).toBeUndefined();
  await mkdir(join(file, '..'), { recursive: true });
  expect(await resolvConfOf(dataRoot, id)).toBeUndefined();
  await writeFile(file, 'nameserver 127.0.0.11\n');
  expect(await resolvConfOf(dataRoot, id)).toBe('nameserver 127.0.0.11\n');
  await truncate(file, 2 ** 30);
  await expect(resolvConfOf(dataRoot, id)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
});
