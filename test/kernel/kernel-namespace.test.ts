import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { finish } from '../../lib/steps.js';
import {
  listNamespaces,
  NetNamespace,
  namespaceFilesIn,
  prewarmThreadPool,
  removeNamespace,
} from '../../netlb/kernel/namespace.js';
import { RouteSocket } from '../../netlb/kernel/rtnetlink.js';
import { readSysctl, writeSysctl } from '../../netlb/kernel/sysctl.js';
import { descriptorsLeakedBy, inside, Scratch } from './kernel-scratch.js';

const where = () => readlinkSync('/proc/thread-self/ns/net');

let scratch: Scratch;
beforeEach(() => {
  scratch = new Scratch();
});
afterEach(() => {
  scratch.close();
});

test('create - names a namespace that others can enter', () => {
  const home = where();
  const namespace = NetNamespace.create(join(scratch.directory, 'deep', 'er', 'one'));
  expect(where()).toBe(home);
  expect(inside(namespace, 'readlink', '/proc/self/ns/net').trim()).toBe(`net:[${namespace.inode}]`);
  expect(inside(namespace, 'ip', '-br', 'link').trim()).toMatch(/^lo\s+DOWN/);
  expect(() => NetNamespace.create(namespace.path)).toThrow(expect.objectContaining({ code: 'EEXIST' }));
  namespace.close();
  removeNamespace(namespace.path);
  expect(() => NetNamespace.open(namespace.path)).toThrow(expect.objectContaining({ code: 'ENOENT' }));
  removeNamespace(namespace.path);
});

test('run - nests, returns, passes errors on, and refuses what is asynchronous', () => {
  const home = where();
  const a = scratch.namespace('a');
  const b = scratch.namespace('b');
  const seen = a.run(() => [where(), b.run(where), a.run(where), NetNamespace.self().run(where), where()]);
  expect(seen).toEqual([a, b, a].map(({ inode }) => `net:[${inode}]`).concat(home, `net:[${a.inode}]`));
  expect(() => a.run(() => b.run(() => JSON.parse('{')))).toThrow(SyntaxError);
  expect(() => a.run(async () => where())).toThrow('synchronous');
  expect(where()).toBe(home);
  expect(() => a.run(() => a.close())).toThrow('inside its own run');
  const again = NetNamespace.open(a.path);
  expect(again.inode).toBe(a.inode);
  again.close();
  expect(() => again.run(where)).toThrow('closed');
  expect(where()).toBe(home);
});

test('run - threads of the pool stay at home once they are warm', async () => {
  await prewarmThreadPool();
  const home = where();
  const a = scratch.namespace('a');
  const pending: Promise<string>[] = [];
  a.run(() => {
    for (let i = 0; i < 8; i++) pending.push(readlink('/proc/thread-self/ns/net'));
  });
  expect(new Set(await Promise.all(pending))).toEqual(new Set([home]));
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  socket.close();
});

test('listNamespaces - tells namespaces from leftovers, and a leftover can be used again', () => {
  scratch.namespace('b');
  scratch.namespace('a');
  writeFileSync(join(scratch.directory, 'stale'), '');
  expect(listNamespaces(scratch.directory)).toEqual(['a', 'b']);
  expect(finish(namespaceFilesIn(scratch.directory))).toEqual({ namespaces: ['a', 'b'], stale: ['stale'] });
  expect(() => NetNamespace.open(join(scratch.directory, 'stale'))).toThrow('the file is not a namespace');
  scratch.namespace('stale');
  expect(listNamespaces(scratch.directory)).toEqual(['a', 'b', 'stale']);
  expect(listNamespaces(join(scratch.directory, 'none'))).toEqual([]);
});

test('removeNamespace - also when another mount namespace has a copy of the mount', () => {
  const namespace = NetNamespace.create(join(scratch.directory, 'copied'));
  const { path, inode } = namespace;
  namespace.close();
  // A process in a mount namespace of its own, with private copies of all mounts.
  const script = `unshare --mount --propagation private sleep 30 >/dev/null 2>&1 & echo $!`;
  const pid = Number(execFileSync('sh', ['-c', script], { encoding: 'utf8' }));
  const mountedThere = () => readFileSync(`/proc/${pid}/mountinfo`, 'utf8').includes(path);
  try {
    while (readlinkSync(`/proc/${pid}/ns/mnt`) === readlinkSync('/proc/self/ns/mnt')) execFileSync('true');
    expect(mountedThere()).toBe(true);
    removeNamespace(path);
    expect(listNamespaces(scratch.directory)).toEqual([]);
    expect(mountedThere()).toBe(false);
  } finally {
    process.kill(pid);
  }
  expect(inode).toBeGreaterThan(0);
});

test('descriptors - everything made is closed again', () => {
  const path = join(scratch.directory, 'n');
  const leaked = descriptorsLeakedBy(() => {
    const namespace = NetNamespace.create(path);
    const socket = new RouteSocket(namespace);
    socket.close();
    socket.close();
    namespace.close();
    namespace.close();
    expect(() => NetNamespace.create(path)).toThrow();
    removeNamespace(path);
  });
  expect(leaked).toBe(0);
});

test('sysctl - is the namespace, not the node', () => {
  const namespace = scratch.namespace('s');
  const home = NetNamespace.self();
  const before = readSysctl(home, 'net.ipv4.tcp_fwmark_accept');
  writeSysctl(namespace, 'net.ipv4.tcp_fwmark_accept', 1);
  expect(readSysctl(namespace, 'net.ipv4.tcp_fwmark_accept')).toBe('1');
  expect(inside(namespace, 'sysctl', '-n', 'net.ipv4.tcp_fwmark_accept').trim()).toBe('1');
  expect(readSysctl(home, 'net.ipv4.tcp_fwmark_accept')).toBe(before);
  expect(readSysctl(namespace, 'net.ipv4.no_such_thing')).toBeUndefined();
  expect(() => writeSysctl(namespace, 'net.ipv4.no_such_thing', 1)).toThrow(
    'set sysctl net.ipv4.no_such_thing to 1: No such file or directory (ENOENT)',
  );
  expect(() => writeSysctl(namespace, 'net.ipv4.ip_forward', 'maybe')).toThrow(
    expect.objectContaining({ code: 'EINVAL' }),
  );
  inside(namespace, 'ip', 'link', 'add', 'a.100', 'type', 'bridge');
  writeSysctl(namespace, 'net/ipv4/conf/a.100/rp_filter', 2);
  expect(readSysctl(namespace, 'net.ipv4.conf.a/100.rp_filter')).toBe('2');
});
