import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Driver, eventually, Machines } from './plane-fixture.js';
import { type Member, type Net, stateOf } from './plane-nets.js';
import { idOf, nodeAddress } from './plane-swarm.js';

const INTERVAL = 200;
/** More than one look reads. */
const MEMBERS = 30;
const net: Net = { name: 'turns', vni: 5100, gateways: ['10.1.0.1/16'] };
const members = Array.from(
  { length: MEMBERS },
  (_, i): Member => ({ name: `t${String(i).padStart(2, '0')}`, node: 1, net, addresses: [`10.1.1.${1 + i}`] }),
);
/** By which each sandbox has rules. */
const services = new Map([[net, [{ address: '10.1.2.1', backends: [{ address: '10.1.1.1', weight: 1 }] }]]]);
const machines = new Machines();
const places = members.map(({ name }) => machines.sandbox('node1', idOf(name)));
let driver: Driver;

beforeAll(async () => {
  machines.addHost('node1', `${nodeAddress(1)}/24`);
  driver = await machines.driver('node1', { driftIntervalMs: INTERVAL });
  expect((await driver.apply(stateOf(1, members, { services }))).problems).toEqual([]);
  await driver.watch();
}, 60_000);

afterAll(() => machines.close(), 60_000);

const addressed = (place: string) =>
  machines.inside(place, 'ip', '-4', 'address', 'show', 'dev', 'eth0').includes('inet');

test('looks - what was changed by hand in any of many sandboxes is put back', { timeout: 60_000 }, async () => {
  for (const place of places) {
    machines.inside(place, 'ip', 'address', 'flush', 'dev', 'eth0');
    machines.inside(place, 'sysctl', '-q', '-w', 'net.ipv4.conf.all.rp_filter=1');
    machines.inside(place, 'nft', 'flush', 'ruleset');
  }
  const isWhole = (place: string) =>
    addressed(place) &&
    machines.inside(place, 'sysctl', '-n', 'net.ipv4.conf.all.rp_filter').trim() === '0' &&
    machines.inside(place, 'nft', 'list', 'tables').includes('tsswarm');
  await eventually(() => places.every(isWhole), 40_000);
});

test('looks - where nothing has changed no pass is made', { timeout: 60_000 }, async () => {
  const passes = async () => (await driver.figures()).passes.count;
  let [before, now] = [-1, await passes()];
  // What the last test changed is looked at again first.
  for (
    const deadline = Date.now() + 30_000;
    before !== now && Date.now() < deadline;
    before = now, now = await passes()
  )
    await new Promise((resolve) => setTimeout(resolve, 10 * INTERVAL));
  expect(now).toBe(before);
  const [place = ''] = places.slice(-1);
  machines.inside(place, 'ip', 'address', 'flush', 'dev', 'eth0');
  await eventually(() => addressed(place));
});
