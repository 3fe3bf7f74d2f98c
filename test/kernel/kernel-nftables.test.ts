import { execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { NetNamespace } from '../../netlb/kernel/namespace.js';
import { Nftables, NftablesError } from '../../netlb/kernel/nftables.js';
import { newBridge } from '../../netlb/kernel/rtnetlink.js';
import { descriptorsLeakedBy, inside, Scratch } from './kernel-scratch.js';

let scratch: Scratch;
beforeEach(() => {
  scratch = new Scratch();
});
afterEach(() => {
  scratch.close();
});

function nftables(namespace: NetNamespace): Nftables {
  const nft = new Nftables(namespace);
  scratch.defer(() => nft.close());
  return nft;
}

const ruleset = (namespace: NetNamespace) => inside(namespace, 'nft', 'list', 'ruleset');

const balancer = `
add table ip tsswarm
add chain ip tsswarm prerouting { type nat hook prerouting priority -100; policy accept; }
add rule ip tsswarm prerouting meta l4proto 6 th dport 8080 dnat to numgen inc mod 2 map { 0 : 10.0.0.1 . 80, 1 : 10.0.0.2 . 80 }`;
const onBridge = `
add table netdev tsswarm
add chain netdev tsswarm in { type filter hook ingress device "br0" priority 0; policy accept; }`;

test('run - lands in its namespace, and nft shows it', () => {
  const namespace = scratch.namespace('n');
  const route = scratch.routeSocket(namespace);
  route.apply(newBridge({ name: 'br0' }));
  const nft = nftables(namespace);
  nft.run(`${balancer}${onBridge}`);
  expect(ruleset(namespace)).toContain('numgen inc mod 2 map { 0 : 10.0.0.1 . 80, 1 : 10.0.0.2 . 80 }');
  expect(execFileSync('nft', ['list', 'tables'], { encoding: 'utf8' })).not.toContain('table netdev tsswarm');
  expect(nft.hasTable('netdev', 'tsswarm')).toBe(true);
  expect(nft.hasTable('ip6', 'tsswarm')).toBe(false);
  nft.run('delete table ip tsswarm');
  expect(nft.hasTable('ip', 'tsswarm')).toBe(false);
  nft.run('');
  expect(ruleset(namespace)).toContain('table netdev tsswarm');
});

test('run - elements of a set that is there already, whoever made it', () => {
  const namespace = scratch.namespace('n');
  inside(namespace, 'nft', 'add table ip t; add map ip t m { type mark . ipv4_addr : verdict; }; add chain ip t c');
  const nft = nftables(namespace);
  nft.run('add element ip t m { 256 . 10.0.0.1 : goto c, 257 . 10.0.0.2 : goto c }');
  nft.run('delete element ip t m { 256 . 10.0.0.1 }');
  expect(inside(namespace, 'nft', 'list', 'map', 'ip', 't', 'm')).toContain('{ 0x00000101 . 10.0.0.2 : goto c }');
  expect(() => nft.run('add table ip t\nadd element ip t other { 1 }')).toThrow(
    'there is no set other in table ip t in line 2: add element ip t other { 1 }',
  );
});

test('run - all or nothing, and the error names the line', () => {
  const namespace = scratch.namespace('n');
  const nft = nftables(namespace);
  const commands = ['add table ip t', 'add chain ip t c', 'add rule ip t nope accept', 'add chain ip t d'].join('\n');
  let caught: unknown;
  try {
    nft.run(commands);
  } catch (error) {
    caught = error;
  }
  expect(caught).toBeInstanceOf(NftablesError);
  expect(caught).toMatchObject({ lineNumber: 3, line: 'add rule ip t nope accept' });
  expect(String(caught)).toMatch(
    /nftables: No such file or directory \(ENOENT\) in line 3: add rule ip t nope accept$/,
  );
  expect(ruleset(namespace)).toBe('');
  // What the kernel finds when it looks at all of them together, too.
  const base = '{ type filter hook input priority 0; policy accept; }';
  const loop = ['add table ip t', `add chain ip t a ${base}`, 'add chain ip t b', 'add rule ip t a jump b'];
  expect(() => nft.run([...loop, 'add rule ip t b jump b'].join('\n'))).toThrow(/^nftables: .* \(E\w+\) in line 5/);
  expect(ruleset(namespace)).toBe('');
  nft.run('add table ip t');
  expect(ruleset(namespace)).toContain('table ip t');
});

test('generation - grows with every change, whoever makes it', () => {
  const namespace = scratch.namespace('n');
  const nft = nftables(namespace);
  const first = nft.generation();
  expect(nft.generation()).toBe(first);
  nft.run('add table ip t');
  const second = nft.generation();
  expect(second).toBeGreaterThan(first);
  inside(namespace, 'nft', 'add', 'chain', 'ip', 't', 'c');
  expect(nft.generation()).toBeGreaterThan(second);
});

test('run - works in a process with more descriptors than select takes', () => {
  const namespace = scratch.namespace('n');
  const first = nftables(namespace);
  first.run('add table ip first');
  for (let i = 0; i < 1100; i++) {
    const fd = openSync('/dev/null', 'r');
    scratch.defer(() => closeSync(fd));
  }
  first.run('add table ip second');
  nftables(namespace).run('add table ip third');
  expect(ruleset(namespace).match(/table ip/g)).toHaveLength(3);
});

test('run - a transaction of megabytes, and one of which everything is refused', () => {
  const namespace = scratch.namespace('n');
  const nft = nftables(namespace);
  const rules = Array.from({ length: 10_000 }, (_, i) => `add rule ip t c ip saddr 10.0.0.1 tcp dport ${i} drop`);
  nft.run(['add table ip t', 'add chain ip t c', ...rules].join('\n'));
  expect(ruleset(namespace).match(/tcp dport/g)).toHaveLength(10_000);
  const refused = Array.from({ length: 1000 }, () => 'add rule ip t nope drop').join('\n');
  expect(() => nft.run(refused)).toThrow(/ENOENT\) in line 1: /);
  nft.run('delete table ip t');
  expect(ruleset(namespace)).toBe('');
});

test('close - frees its sockets', () => {
  const namespace = scratch.namespace('n');
  const leaked = descriptorsLeakedBy(() => {
    const nft = new Nftables(namespace);
    nft.run('add table ip t');
    nft.close();
    nft.close();
  });
  expect(leaked).toBe(0);
});
