import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { bindMount, isMountPoint, listMounts, mountOverlay, mountTmpfs, unmount } from '../../netlb/kernel/mounts.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tsswarm-mounts-'));
  // overlayfs does not take another overlayfs as upper layer, which /tmp may be.
  mountTmpfs({ target: directory, size: '8m', mode: 0o700 });
});
afterEach(() => {
  for (const { target } of listMounts(directory).reverse()) unmount(target, { lazy: true });
  rmSync(directory, { recursive: true });
});

const make = (...names: string[]) => {
  for (const name of names) mkdirSync(join(directory, name), { recursive: true });
};
const findmnt = (target: string) =>
  JSON.parse(execFileSync('findmnt', ['-J', '-M', target], { encoding: 'utf8' })) as {
    filesystems: { target: string; source: string; fstype: string; options: string }[];
  };

test('tmpfs - has the size, mode and flags', () => {
  expect(findmnt(directory).filesystems[0]).toMatchObject({ fstype: 'tmpfs' });
  expect(findmnt(directory).filesystems[0]?.options).toMatch(/nosuid,nodev.*size=8192k,mode=700/);
});

test('overlay - layers, and paths with every character that has a meaning', () => {
  const awkward = 'a b,c:d\\e#é\tf';
  make(`${awkward}/one`, `${awkward}/two`, `${awkward}/upper`, `${awkward}/work`, `${awkward}/target`);
  const path = (name: string) => join(directory, awkward, name);
  writeFileSync(join(path('one'), 'file'), 'one');
  writeFileSync(join(path('two'), 'file'), 'two');
  writeFileSync(join(path('two'), 'below'), 'two');
  mountOverlay({
    lower: [path('one'), path('two')],
    upper: path('upper'),
    work: path('work'),
    target: path('target'),
  });
  expect(readFileSync(join(path('target'), 'file'), 'utf8')).toBe('one');
  expect(readFileSync(join(path('target'), 'below'), 'utf8')).toBe('two');
  writeFileSync(join(path('target'), 'new'), '');
  expect(readdirSync(path('upper'))).toEqual(['new']);
  expect(listMounts(directory)).toEqual([
    { source: 'tmpfs', target: directory, type: 'tmpfs' },
    { source: 'overlay', target: path('target'), type: 'overlay' },
  ]);
  expect(isMountPoint(path('target'))).toBe(true);
  unmount(path('target'));
  expect(isMountPoint(path('target'))).toBe(false);
});

test('overlay - what is wrong is said', () => {
  make('lower', 'upper', 'work', 'target');
  const path = (name: string) => join(directory, name);
  const overlay = { lower: [path('none')], upper: path('upper'), work: path('work'), target: path('target') };
  expect(() => mountOverlay(overlay)).toThrow(`mount overlay on ${path('target')}: No such file or directory (ENOENT)`);
  const many = Array.from({ length: 100 }, (_, i) => join(directory, `layer-with-a-rather-long-name-${i}`));
  expect(() => mountOverlay({ ...overlay, lower: many })).toThrow('the paths of 100 image layers are too long');
});

test('bind - of a directory, read-only', () => {
  make('source', 'target', 'read-only');
  const path = (name: string) => join(directory, name);
  writeFileSync(join(path('source'), 'file'), 'x');
  bindMount({ source: path('source'), target: path('target') });
  bindMount({ source: path('source'), target: path('read-only'), readOnly: true });
  writeFileSync(join(path('target'), 'file'), 'y');
  expect(readFileSync(join(path('read-only'), 'file'), 'utf8')).toBe('y');
  expect(() => writeFileSync(join(path('read-only'), 'file'), 'z')).toThrow('EROFS');
  expect(() => bindMount({ source: path('none'), target: path('target') })).toThrow(
    expect.objectContaining({ code: 'ENOENT' }),
  );
});

test('unmount - fine when there is nothing, EBUSY when in use, lazy takes it away all the same', () => {
  make('target');
  const target = join(directory, 'target');
  unmount(target);
  unmount(join(directory, 'none'));
  expect(isMountPoint(join(directory, 'none'))).toBe(false);
  mountTmpfs({ target });
  writeFileSync(join(target, 'file'), '');
  const holder = execFileSync('sh', ['-c', `cd '${target}' && (sleep 30 >/dev/null 2>&1 & echo $!)`], {
    encoding: 'utf8',
  });
  try {
    expect(() => unmount(target)).toThrow(expect.objectContaining({ code: 'EBUSY' }));
    unmount(target, { lazy: true });
    expect(isMountPoint(target)).toBe(false);
    expect(existsSync(join(target, 'file'))).toBe(false);
  } finally {
    process.kill(Number(holder));
  }
});
