import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SwarmError } from '../lib/errors.js';
import { probeTools, requireFeatures, requirePrivileges, searchPath } from './preflight.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tsswarm-tools-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function install(...names: readonly string[]): void {
  for (const name of names) {
    writeFileSync(path.join(folder, name), '');
    chmodSync(path.join(folder, name), 0o755);
  }
}

test('probeTools - each tool with its place, or with what to install', () => {
  install('conmon', 'umoci');
  writeFileSync(path.join(folder, 'skopeo'), 'not executable');
  const tools = new Map(probeTools([folder]).map((feature) => [feature.name, feature]));
  expect(tools.get('conmon')).toMatchObject({ available: true, detail: path.join(folder, 'conmon'), remedy: '' });
  expect(tools.get('skopeo')).toMatchObject({ available: false, remedy: 'apt-get install skopeo' });
});

test('probeTools - one of two runtimes will do', () => {
  const runtime = () => probeTools([folder]).find(({ name }) => name === 'runc');
  expect(runtime()).toMatchObject({ available: false, required: true, remedy: 'apt-get install runc' });
  install('crun');
  expect(runtime()).toMatchObject({ available: true, detail: path.join(folder, 'crun') });
});

test('requireFeatures - every missing one is named, with its remedy', () => {
  install('runc');
  let thrown: unknown;
  try {
    requireFeatures(probeTools([folder]));
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(SwarmError);
  const { text } = thrown as SwarmError;
  expect(text).toContain(
    'this machine lacks what tasks need: conmon (not found), umoci (not found), skopeo (not found)',
  );
  expect(text).toContain('umoci: unpacks images; apt-get install umoci');
  install('conmon', 'umoci', 'skopeo');
  requireFeatures(probeTools([folder]));
});

test('requirePrivileges - root on Linux', () => {
  requirePrivileges('linux', 0);
  expect(() => requirePrivileges('linux', 1000)).toThrow('tsswarmd needs root');
  expect(() => requirePrivileges('darwin', 0)).toThrow('tsswarmd runs on Linux, not on darwin');
});

test('searchPath - PATH first, then the folders of system programs, each once', () => {
  expect(searchPath('/opt/bin:/usr/bin:')).toEqual([
    '/opt/bin',
    '/usr/bin',
    '/usr/local/sbin',
    '/usr/local/bin',
    '/usr/sbin',
    '/sbin',
    '/bin',
  ]);
});
