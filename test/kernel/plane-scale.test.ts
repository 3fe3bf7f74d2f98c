import { afterAll, beforeAll, expect, test } from 'vitest';
import { macOf } from '../../lib/ip.js';
import { type Driver, Machines } from './plane-fixture.js';
import { type Member, type Net, stateOf } from './plane-nets.js';
import { idOf, nodeAddress } from './plane-swarm.js';

const REMOTES = 1000;
const NETS = 50;
const LOCAL = 200;
const large: Net = { name: 'large', vni: 5000, gateways: ['10.1.0.1/16', 'fd00:1::1/64'] };
const nets = Array.from({ length: NETS }, (_, i): Net => {
  const name = `n${String(i).padStart(2, '0')}`;
  return { name, vni: 6000 + i, gateways: [`10.${100 + i}.0.1/16`] };
});
const elsewhere = Array.from(
  { length: REMOTES },
  (_, i): Member => ({
    name: `r${i}`,
    node: 2 + (i % 9),
    net: large,
    addresses: [`10.1.${1 + (i >> 8)}.${i & 255}`, `fd00:1::1:${i.toString(16)}`],
  }),
);
const here = Array.from({ length: LOCAL }, (_, i): Member => {
  const net = nets[i % NETS] ?? large;
  const name = `t${String(i).padStart(3, '0')}`;
  return { name, node: 1, net, addresses: [`10.${100 + (i % NETS)}.1.${1 + Math.floor(i / NETS)}`] };
});
const one: Member = { name: 'one', node: 1, net: large, addresses: ['10.1.0.11', 'fd00:1::11'] };
const machines = new Machines();
let driver: Driver;

beforeAll(async () => {
  machines.addHost('node1', `${nodeAddress(1)}/24`);
  driver = await machines.driver('node1');
});

afterAll(() => machines.close(), 120_000);

test('scale - a thousand endpoints elsewhere are entries in the kernel, and go again', {
  timeout: 120_000,
}, async () => {
  const full = stateOf(1, [one, ...elsewhere]);
  expect((await driver.apply(full)).problems).toEqual([]);
  const overlay = machines.sandbox('node1', `1-${idOf('large').slice(0, 10)}`);
  const lines = (...command: string[]) =>
    machines
      .inside(overlay, ...command)
      .trim()
      .split('\n');
  expect(lines('ip', 'neigh', 'show', 'dev', 'vxlan0', 'nud', 'permanent')).toHaveLength(2 * REMOTES);
  const ways = lines('bridge', 'fdb', 'show', 'dev', 'vxlan0');
  expect(ways.filter((line) => line.includes(' dst '))).toHaveLength(REMOTES);
  expect(ways.filter((line) => line.includes('master br0 static'))).toHaveLength(REMOTES);
  expect(ways).toContainEqual(expect.stringContaining(`${macOf('10.1.4.231')} dst ${nodeAddress(2 + (999 % 9))}`));
  expect((await driver.apply(full)).operations).toBe(0);
  // All entries go at once; and who may send into the network is one set.
  expect(await driver.apply(stateOf(1, [one, ...elsewhere.slice(0, 1)]))).toMatchObject({
    problems: [],
    operations: 2,
  });
  expect(lines('ip', 'neigh', 'show', 'dev', 'vxlan0', 'nud', 'permanent')).toHaveLength(2);
});

test('scale - fifty networks with two hundred endpoints here', { timeout: 120_000 }, async () => {
  const full = stateOf(1, here);
  expect((await driver.apply(full)).problems).toEqual([]);
  const ports = machines.json('node1', 'ip', 'link', 'show', 'master', 'swarm_gwbridge');
  expect(ports).toHaveLength(LOCAL);
  expect((await driver.apply(full)).operations).toBe(0);
  // What a new plane reads of the kernel is what it would make.
  await driver.kill();
  driver = await machines.driver('node1');
  expect(await driver.apply(full)).toMatchObject({ problems: [], operations: 0 });
  const last = here.at(-1) ?? one;
  machines.inside(machines.sandbox('node1', idOf(last.name)), 'ping', '-c1', '-W2', `10.${100 + NETS - 1}.1.1`);
  expect(await driver.apply(stateOf(1, here.slice(100)))).toMatchObject({ problems: [] });
  expect(machines.json('node1', 'ip', 'link', 'show', 'master', 'swarm_gwbridge').length).toBeLessThan(LOCAL);
});
