import { execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { NetNamespace } from '../../netlb/kernel/namespace.js';
import { Nftables, NftablesError, subscribeNftables } from '../../netlb/kernel/nftables.js';
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
table ip tsswarm {
  chain prerouting {
    type nat hook prerouting priority dstnat
    meta l4proto tcp th dport 8080 dnat to numgen inc mod 2 map { 0 : 10.0.0.1, 1 : 10.0.0.2 }:80
  }
}
table netdev tsswarm {
  chain in { type filter hook ingress device br0 priority 0; }
}`;

test('run - lands in its namespace, and list reads it back as nft does', () => {
  const namespace = scratch.namespace('n');
  const route = scratch.routeSocket(namespace);
  route.apply(newBridge({ name: 'br0' }));
  const nft = nftables(namespace);
  expect(nft.list('ip', 'tsswarm')).toBeUndefined();
  nft.run(balancer);
  expect(ruleset(namespace)).toContain('numgen inc mod 2 map { 0 : 10.0.0.1, 1 : 10.0.0.2 }');
  expect(execFileSync('nft', ['list', 'tables'], { encoding: 'utf8' })).not.toContain('table netdev tsswarm');

  const shown = JSON.parse(inside(namespace, 'nft', '-j', 'list', 'table', 'ip', 'tsswarm')) as { nftables: object[] };
  expect(nft.list('ip', 'tsswarm')).toEqual(shown.nftables.filter((entry) => !('metainfo' in entry)));
  expect(nft.hasTable('netdev', 'tsswarm')).toBe(true);
  expect(nft.listTables()).toEqual([
    { family: 'ip', name: 'tsswarm' },
    { family: 'netdev', name: 'tsswarm' },
  ]);
  expect(nft.hasTable('ip6', 'tsswarm')).toBe(false);
  nft.run('delete table ip tsswarm');
  expect(nft.list('ip', 'tsswarm')).toBeUndefined();
});

test('run - names of interfaces are those of its namespace', () => {
  const namespace = scratch.namespace('n');
  const route = scratch.routeSocket(namespace);
  route.apply(newBridge({ name: 'onlyhere0' }));
  nftables(namespace).run('table ip t { chain c { type filter hook input priority 0; iif "onlyhere0" accept; }; }');
  expect(ruleset(namespace)).toContain('iif "onlyhere0" accept');
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
    /nftables: Could not process rule: No such file or directory in line 3: add rule ip t nope accept$/,
  );
  expect(ruleset(namespace)).toBe('');
  expect(() => nft.run('add table ip t\nadd chain ip t c { type nat hook nowhere priority 0; }')).toThrow(
    /in line 2: /,
  );
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

test('subscribeNftables - tells when a rule is deleted by hand', async () => {
  const namespace = scratch.namespace('n');
  const nft = nftables(namespace);
  nft.run(balancer.replace(/table netdev[\s\S]*/, ''));
  await new Promise<void>((resolve) => {
    const subscription = subscribeNftables(namespace, () => resolve());
    scratch.defer(() => subscription.close());
    inside(namespace, 'nft', 'flush', 'table', 'ip', 'tsswarm');
  });
  expect(nft.list('ip', 'tsswarm')).toHaveLength(2);
});

test('run - works in a process with more descriptors than select takes', () => {
  const namespace = scratch.namespace('n');
  const nft = nftables(namespace);
  nft.run('add table ip first');
  for (let i = 0; i < 1100; i++) {
    const fd = openSync('/dev/null', 'r');
    scratch.defer(() => closeSync(fd));
  }
  nft.run('add table ip second');
  expect(nft.listTables()).toHaveLength(2);
});

test('close - frees the context and its sockets', () => {
  const namespace = scratch.namespace('n');
  const leaked = descriptorsLeakedBy(() => {
    const nft = new Nftables(namespace);
    nft.run('add table ip t');
    nft.close();
    nft.close();
  });
  expect(leaked).toBe(0);
});
