import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lockFolder } from './lock.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tsswarm-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('lockFolder - a second one is refused with the first one’s pid', () => {
  const unlock = lockFolder(folder);
  expect(() => lockFolder(folder)).toThrow(`another tsswarmd (pid ${process.pid}) uses ${folder}`);
  unlock();
  lockFolder(folder)();
});

test('lockFolder - other processes see it (flock(1) agrees), and children do not inherit it', () => {
  const unlock = lockFolder(folder);
  const probe = () => spawnSync('flock', ['--nonblock', path.join(folder, 'tsswarmd.lock'), 'true']).status;
  expect(probe()).toBe(1);
  unlock();
  expect(probe()).toBe(0);
});
