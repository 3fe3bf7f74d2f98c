import { readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NetNamespace, removeNamespace } from '../../netlb/kernel/namespace.js';
import { SettingFiles } from '../../netlb/kernel/setting-files.js';
import { inside, Scratch } from './kernel-scratch.js';

let scratch: Scratch;
let one: NetNamespace;
let files: SettingFiles;
beforeEach(() => {
  scratch = new Scratch();
  one = scratch.namespace('one');
  files = new SettingFiles(one);
});
afterEach(() => {
  files.close();
  scratch.close();
});

const open = () => readdirSync('/proc/self/fd').filter((fd) => isSetting(fd)).length;
function isSetting(fd: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`).startsWith('/proc/sys/');
  } catch {
    // The one by which the folder is read.
    return false;
  }
}

test('a file that is kept open shows what its own namespace has now', () => {
  const FORWARD = 'net.ipv4.ip_forward';
  inside(one, 'sysctl', '-qw', `${FORWARD}=0`);
  expect(files.read(FORWARD)).toBe('0');
  const kept = open();
  expect(kept).toBe(1);
  inside(one, 'sysctl', '-qw', `${FORWARD}=1`);
  expect([files.read(FORWARD), files.read(FORWARD), open()]).toEqual(['1', '1', kept]);
  const other = new SettingFiles(scratch.namespace('two'));
  scratch.defer(() => other.close());
  inside(one, 'sysctl', '-qw', `${FORWARD}=0`);
  expect([files.read(FORWARD), other.read('net.ipv4.conf.all.rp_filter')]).toEqual([
    '0',
    inside(one, 'sysctl', '-n', 'net.ipv4.conf.all.rp_filter').trim(),
  ]);
  files.close();
  other.close();
  expect(open()).toBe(0);
});

test('of a device that is gone there is nothing, and of another one with its name what that has', () => {
  const KEY = 'net/ipv4/conf/d0/route_localnet';
  expect(files.read(KEY)).toBeUndefined();
  inside(one, 'ip', 'link', 'add', 'd0', 'type', 'bridge');
  inside(one, 'sysctl', '-qw', `${KEY}=1`);
  expect(files.read(KEY)).toBe('1');
  inside(one, 'ip', 'link', 'del', 'd0');
  expect([files.read(KEY), open()]).toEqual([undefined, 0]);
  inside(one, 'ip', 'link', 'add', 'd0', 'type', 'bridge');
  expect(files.read(KEY)).toBe('0');
});

test('files that are open do not keep a namespace', async () => {
  const path = join(scratch.directory, 'gone');
  const gone = NetNamespace.create(path);
  // The other end goes with the namespace of this one.
  inside(one, 'ip', 'link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1');
  inside(one, 'ip', 'link', 'set', 'v1', 'netns', path);
  const other = new SettingFiles(gone);
  scratch.defer(() => other.close());
  expect(other.read('net/ipv4/conf/v1/route_localnet')).toBe('0');
  gone.close();
  removeNamespace(path);
  const isThere = () => inside(one, 'ip', '-br', 'link').includes('v0');
  await expect.poll(isThere, { timeout: 10_000 }).toBe(false);
  expect(open()).toBe(1);
});
