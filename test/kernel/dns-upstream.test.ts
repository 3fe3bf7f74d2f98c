import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DEAD_UPSTREAM, DnsMachines, OTHER_UPSTREAM, sandbox, stateOf, UPSTREAM } from './dns-fixture.js';
import { type Driver, eventually } from './plane-fixture.js';

let machines: DnsMachines;
let driver: Driver;

beforeAll(async () => {
  machines = new DnsMachines();
  driver = await machines.startNode();
  const many = Array.from({ length: 40 }, (_, i) => `--host-record=many.example,192.0.3.${i + 1}`);
  const common = ['--bind-interfaces', '--address=/nobody.example/'];
  await machines.serveNames(
    'outside',
    UPSTREAM,
    `--listen-address=${UPSTREAM}`,
    ...common,
    '--address=/who.example/192.0.2.201',
    ...many,
  );
  await machines.serveNames(
    'outside',
    OTHER_UPSTREAM,
    `--listen-address=${OTHER_UPSTREAM}`,
    ...common,
    '--address=/who.example/192.0.2.202',
  );
  // The last one: packets to it get lost.
  machines.inside('outside', 'ip', 'address', 'add', `${DEAD_UPSTREAM}/24`, 'dev', 'eth0');
  const chain = '{ type filter hook input priority 0; policy accept; }';
  const rule = `add rule ip silent in ip daddr ${DEAD_UPSTREAM} drop`;
  machines.inside('outside', 'nft', `add table ip silent; add chain ip silent in ${chain}; ${rule}`);
});
afterAll(() => machines.close());

async function apply(...args: Parameters<typeof stateOf>): Promise<void> {
  expect((await driver.apply(stateOf(...args))).problems).toEqual([]);
}

test('elsewhere - the node’s servers are asked from the node, and a change of them is seen', async () => {
  await apply([sandbox('a', 11)]);
  expect(machines.answers('a', 'who.example')).toEqual(['192.0.2.201']);
  expect(machines.answers('a', '+tcp', 'who.example')).toEqual(['192.0.2.201']);
  expect(machines.status('a', 'nobody.example')).toBe('NXDOMAIN');
  machines.setNodeServers(OTHER_UPSTREAM);
  await eventually(() => machines.answers('a', 'who.example')[0] === '192.0.2.202');
  machines.setNodeServers();
  await eventually(() => machines.status('a', 'who.example') === 'SERVFAIL');
  machines.setNodeServers(UPSTREAM);
  await eventually(() => machines.answers('a', 'who.example')[0] === '192.0.2.201');
});

test('elsewhere - a server on the node’s own loopback can be the node’s', async () => {
  await apply([sandbox('a', 11)]);
  await machines.serveNames(
    'node',
    '127.0.0.53',
    '--listen-address=127.0.0.53',
    '--bind-interfaces',
    '--address=/who.example/192.0.2.203',
  );
  machines.setNodeServers('127.0.0.53');
  await eventually(() => machines.answers('a', 'who.example')[0] === '192.0.2.203');
  machines.setNodeServers(UPSTREAM);
  await eventually(() => machines.answers('a', 'who.example')[0] === '192.0.2.201');
});

test('elsewhere - a server may have an IPv6 address', async () => {
  await apply([sandbox('a', 11)]);
  machines.inside('outside', 'ip', 'address', 'add', 'fd00:53::53/64', 'dev', 'eth0', 'nodad');
  machines.inside('node', 'ip', 'address', 'add', 'fd00:53::1/64', 'dev', 'eth0', 'nodad');
  const options = ['--listen-address=fd00:53::53', '--bind-interfaces', '--address=/who.example/fd00:99::204'];
  await machines.serveNames('outside', 'fd00:53::53', ...options);
  machines.setNodeServers('fd00:53::53');
  await eventually(() => machines.answers('a', 'who.example', 'AAAA')[0] === 'fd00:99::204');
  expect(machines.answers('a', '+tcp', 'who.example', 'AAAA')).toEqual(['fd00:99::204']);
  machines.setNodeServers(UPSTREAM);
  await eventually(() => machines.answers('a', 'who.example')[0] === '192.0.2.201');
});

test('elsewhere - servers of a sandbox’s own are asked from inside of it', async () => {
  await apply([sandbox('a', 11, { nameservers: ['10.0.1.12'] }), sandbox('b', 12)]);
  await machines.serveNames(
    machines.file('b'),
    '10.0.1.12',
    '--listen-address=10.0.1.12',
    '--bind-interfaces',
    '--address=/who.example/10.0.1.99',
  );
  expect(machines.answers('a', 'who.example')).toEqual(['10.0.1.99']);
  expect(machines.answers('a', '+tcp', 'who.example')).toEqual(['10.0.1.99']);
  expect(machines.answers('a', 'web')).toEqual(['10.0.1.2']);
});

test('elsewhere - what a server cuts is passed on cut, and asked again by TCP', async () => {
  await apply([sandbox('a', 11)]);
  expect(machines.dig(machines.file('a'), '@127.0.0.11', '+ignore', 'many.example')).toMatch(/flags: qr aa tc/);
  expect(machines.answers('a', 'many.example')).toHaveLength(40);
});

test('elsewhere - a server that is silent, or refuses, is passed over', async () => {
  await apply([sandbox('a', 11, { nameservers: [DEAD_UPSTREAM, OTHER_UPSTREAM] })]);
  expect(machines.answers('a', 'who.example')).toEqual(['192.0.2.202']);
  expect(machines.answers('a', '+tcp', 'who.example')).toEqual(['192.0.2.202']);
  // Its port is closed.
  await apply([sandbox('a', 11, { nameservers: ['192.0.2.1', OTHER_UPSTREAM] })]);
  expect(machines.answers('a', '+timeout=1', 'who.example')).toEqual(['192.0.2.202']);
  await apply([sandbox('a', 11, { nameservers: ['192.0.2.1'] })]);
  expect(machines.status('a', '+timeout=1', 'who.example')).toBe('SERVFAIL');
});

test('elsewhere - with 1,024 queries in flight more are refused at once, but not to others, and names here are answered', async () => {
  await apply([sandbox('a', 11, { nameservers: [DEAD_UPSTREAM] }), sandbox('b', 12)]);
  const flood = spawn(
    'nsenter',
    [
      `--net=${machines.file('a')}`,
      'stdbuf',
      '-oL',
      'dnsperf',
      '-s',
      '127.0.0.11',
      '-q',
      '1100',
      '-n',
      '1',
      '-t',
      '9',
      '-v',
    ],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  const refused: string[] = [];
  createInterface({ input: flood.stdout }).on('line', (line) => {
    if (line.includes('SERVFAIL')) refused.push(line);
  });
  flood.stdin.end(Array.from({ length: 1100 }, (_, i) => `name${i}.example A\n`).join(''));
  await eventually(() => refused.length >= 76);
  // The others wait for the silent server.
  expect(refused).toHaveLength(76);
  expect(machines.answers('a', '+timeout=1', 'web')).toEqual(['10.0.1.2']);
  expect(machines.status('a', '+timeout=1', 'who.example')).toBe('SERVFAIL');
  expect(machines.answers('b', '+timeout=1', 'who.example')).toEqual(['192.0.2.201']);
});
