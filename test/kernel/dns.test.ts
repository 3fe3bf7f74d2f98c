import { existsSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ZoneName } from '../../netlb/state.js';
import { DnsMachines, front, name, sandbox, stateOf, UPSTREAM } from './dns-fixture.js';
import { type Driver, eventually } from './plane-fixture.js';

let machines: DnsMachines;
let driver: Driver;

beforeAll(async () => {
  machines = new DnsMachines();
  driver = await machines.startNode();
});
afterAll(() => machines.close());

async function apply(...args: Parameters<typeof stateOf>) {
  const report = await driver.apply(stateOf(...args));
  expect(report.problems).toEqual([]);
  return report;
}

test('resolver - names, addresses of both families, reverse names and ports', async () => {
  await apply([sandbox('a', 11)]);
  expect(machines.answers('a', 'web')).toEqual(['10.0.1.2']);
  expect(machines.answers('a', 'WEB.front', 'AAAA')).toEqual(['fd00:1::2']);
  expect(machines.answers('a', 'tasks.web').sort()).toEqual(['10.0.1.11', '10.0.1.12']);
  expect(machines.answers('a', '-x', '10.0.1.11')).toEqual(['web.1.abc.front.']);
  expect(machines.answers('a', '_http._tcp.web', 'SRV')).toEqual(['0 0 80 web.']);
  expect(machines.dig(machines.file('a'), '@127.0.0.11', 'tasks.web', 'AAAA')).toMatch(
    /status: NOERROR(?=[\s\S]*flags: qr aa rd ra; QUERY: 1, ANSWER: 0)/,
  );
  expect(machines.dig(machines.file('a'), '@127.0.0.11', 'WeB')).toMatch(/^WeB\.\s+1\s+IN\s+A\s+10\.0\.1\.2$/m);
  expect((await driver.apply(stateOf([sandbox('a', 11)]))).operations).toBe(0);
});

test('resolver - what is cut by UDP comes by TCP, and by EDNS as far as it says', async () => {
  await apply([sandbox('a', 11)]);
  const file = machines.file('a');
  expect(machines.dig(file, '@127.0.0.11', '+ignore', 'many')).toMatch(/flags: qr aa tc/);
  expect(machines.answers('a', 'many')).toHaveLength(200);
  expect(machines.answers('a', '+tcp', 'many')).toHaveLength(200);
  expect(machines.dig(file, '@127.0.0.11', '+edns=0', '+bufsize=4096', 'many')).toMatch(
    /flags: qr aa rd ra;[\s\S]*EDNS: version: 0/,
  );
  // Several questions on one connection.
  const both = machines.dig(file, '@127.0.0.11', '+tcp', '+keepopen', '+short', 'web', 'tasks.web');
  expect(both.trim().split('\n')).toHaveLength(3);
});

test('resolver - an application may have port 53 of all addresses', async () => {
  await apply([sandbox('a', 11)]);
  await machines.serveNames(machines.file('a'), '127.0.0.1', '--address=/web/192.0.2.99');
  expect(machines.inside(machines.file('a'), 'ss', '-Hlun')).toMatch(/0\.0\.0\.0:53\s/);
  expect(machines.answers('a', 'web')).toEqual(['10.0.1.2']);
  expect(machines.answers('a', '+tcp', 'web')).toEqual(['10.0.1.2']);
  expect(machines.dig(machines.file('a'), '@127.0.0.1', '+short', 'web').trim()).toBe('192.0.2.99');
});

test('resolver - answers leave no connections behind', async () => {
  await apply([sandbox('a', 11)]);
  for (let i = 0; i < 5; i++) machines.answers('a', 'web');
  machines.answers('a', '+tcp', 'web');
  expect(machines.inside(machines.file('a'), 'conntrack', '-L', '-d', '127.0.0.11')).toBe('');
});

test('resolver - changes of zones are answered as soon as they are applied', async () => {
  await apply([sandbox('a', 11)]);
  const names = [name('tasks.web', ['10.0.1.12']), name('db', ['10.0.1.3'])];
  await apply([sandbox('a', 11)], [{ ...front, names }]);
  expect(machines.answers('a', 'tasks.web')).toEqual(['10.0.1.12']);
  expect(machines.answers('a', 'db')).toEqual(['10.0.1.3']);
  await apply([sandbox('a', 11, { forward: false })], [{ ...front, names }]);
  expect(machines.status('a', 'web')).toBe('REFUSED');
  await apply([sandbox('a', 11, { forward: false })], []);
  expect(machines.status('a', 'db')).toBe('REFUSED');
});

test('resolver - each sandbox has the names of its own networks', async () => {
  const back = { ...front, id: 'back'.padEnd(25, '0'), networkName: 'back', names: [name('db', ['10.0.9.3'])] };
  await apply(
    [sandbox('a', 11, { forward: false }), sandbox('b', 12, { zones: [back.id], forward: false })],
    [front, back],
  );
  expect(machines.answers('a', 'web')).toEqual(['10.0.1.2']);
  expect(machines.answers('b', 'db')).toEqual(['10.0.9.3']);
  expect(machines.status('a', 'db')).toBe('REFUSED');
  expect(machines.status('b', 'web')).toBe('REFUSED');
});

test('resolver - a daemon that was killed is followed by one that answers on other ports', async () => {
  await apply([sandbox('a', 11), sandbox('b', 12)]);
  const rules = () => machines.inside(machines.file('a'), 'nft', 'list', 'chain', 'ip', 'tsswarm', 'resolver_ask');
  const before = rules();
  await driver.kill();
  expect(machines.dig(machines.file('a'), '@127.0.0.11', '+timeout=1', 'web')).toMatch(
    /no servers could be reached|timed out/,
  );
  driver = await machines.startNode();
  // Two chains of two sandboxes in one transaction each: nothing else had to be mended.
  expect((await apply([sandbox('a', 11), sandbox('b', 12)])).operations).toBe(2);
  expect(rules()).not.toBe(before);
  expect(machines.answers('a', 'web')).toEqual(['10.0.1.2']);
  expect(machines.answers('b', '+tcp', 'web')).toEqual(['10.0.1.2']);
});

test('resolver - a thread that has failed is followed by another', async () => {
  await apply([sandbox('a', 11)]);
  const broken = { ...front, names: [{ name: null, addresses: ['10.0.1.2'], canonical: true } as unknown as ZoneName] };
  const { problems } = await driver.apply(stateOf([sandbox('a', 11)], [broken]));
  expect(problems).toEqual([
    { subject: { kind: 'node', id: '' }, message: expect.stringContaining("the resolvers' thread has failed") },
  ]);
  await apply([sandbox('a', 11)]);
  expect(machines.answers('a', 'web')).toEqual(['10.0.1.2']);
  expect(machines.answers('a', '+tcp', 'tasks.web').sort()).toEqual(['10.0.1.11', '10.0.1.12']);
});

test('resolver - a rule that was removed by hand comes back', async () => {
  await apply([sandbox('a', 11)]);
  machines.inside(machines.file('a'), 'nft', 'flush', 'chain', 'ip', 'tsswarm', 'resolver');
  await driver.watch();
  await eventually(() => machines.answers('a', '+timeout=1', 'web')[0] === '10.0.1.2');
});

test('resolver - a sandbox that goes takes its resolver along, and holds no namespace', async () => {
  await machines.serveNames('outside', UPSTREAM, '--address=/example.org/192.0.2.80');
  await apply([sandbox('a', 11, { nameservers: [UPSTREAM] }), sandbox('b', 12)]);
  expect(machines.answers('a', 'example.org')).toEqual(['192.0.2.80']);
  const open = () => machines.inside('node', 'ls', '-l', `/proc/${driver.process.pid}/fd`).trim().split('\n').length;
  const count = open();
  await apply([sandbox('b', 12)]);
  expect(existsSync(machines.file('a'))).toBe(false);
  expect(machines.answers('b', 'web')).toEqual(['10.0.1.2']);
  expect(open()).toBeLessThan(count - 3);
  // Its ends of veth pairs go with the namespace itself.
  await eventually(() => machines.json('node', 'ip', 'link', 'show', 'master', 'swarm_gwbridge').length === 1);
  await driver.destroy();
  await eventually(() => machines.json('node', 'ip', 'link').length === 2);
});
