import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findSocketOwners } from './socket-owners.js';

let proc: string;

beforeEach(() => {
  proc = mkdtempSync(join(tmpdir(), 'tsswarm-proc-'));
  mkdirSync(join(proc, 'self-made')); // what is no process
});

afterEach(() => rmSync(proc, { recursive: true }));

function process(pid: number, command: string, ...targets: readonly string[]): void {
  mkdirSync(join(proc, String(pid), 'fd'), { recursive: true });
  if (command !== '') writeFileSync(join(proc, String(pid), 'comm'), `${command}\n`);
  targets.forEach((target, i) => {
    symlinkSync(target, join(proc, String(pid), 'fd', String(i)));
  });
}

test('socket owners - by inode, the oldest process of several', () => {
  process(900, 'worker', 'socket:[11]', 'socket:[12]');
  process(80, 'nginx', '/dev/null', 'socket:[11]', 'pipe:[12]', 'anon_inode:[eventpoll]');
  process(7, 'other', 'socket:[110]');
  expect(findSocketOwners(new Set([11, 12, 13]), proc)).toEqual(
    new Map([
      [11, { pid: 80, command: 'nginx' }],
      [12, { pid: 900, command: 'worker' }],
    ]),
  );
});

test('socket owners - a process that ends meanwhile has none', () => {
  process(80, '', 'socket:[11]');
  mkdirSync(join(proc, '81'));
  expect(findSocketOwners(new Set([11]), proc)).toEqual(new Map());
});
