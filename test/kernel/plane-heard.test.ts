import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { macOf } from '../../lib/ip.js';
import { overlayNamespace } from '../../netlb/names.js';
import { type Driver, eventually, Machines } from './plane-fixture.js';
import { type Member, type Net, stateOf } from './plane-nets.js';
import { idOf, nodeAddress } from './plane-swarm.js';

const INTERVAL = 5000;
/** In turns they take six looks; what is heard takes one. */
const MEMBERS = 110;
const SOON = 3 * INTERVAL;
/** So many that their entries are read once in a round of looks. */
const REMOTES = 1200;
const net: Net = { name: 'heard', vni: 5101, gateways: ['10.1.0.1/16'] };
const members = Array.from(
  { length: MEMBERS },
  (_, i): Member => ({ name: `h${String(i).padStart(3, '0')}`, node: 1, net, addresses: [`10.1.1.${1 + i}`] }),
);
const others = Array.from(
  { length: REMOTES },
  (_, i): Member => ({ name: `r${i}`, node: 2, net, addresses: [`10.1.${10 + (i >> 7)}.${1 + (i & 127)}`] }),
);
const machines = new Machines();
const places = members.map(({ name }) => machines.sandbox('node1', idOf(name)));
const overlay = machines.sandbox('node1', overlayNamespace(idOf(net.name)));
let driver: Driver;

beforeAll(async () => {
  machines.addHost('node1', `${nodeAddress(1)}/24`);
  driver = await machines.driver('node1', { driftIntervalMs: INTERVAL });
  expect((await driver.apply(stateOf(1, [...members, ...others]))).problems).toEqual([]);
  await driver.watch();
  // What is heard soon after the pass is taken for its echo.
  await new Promise((resolve) => setTimeout(resolve, 2000));
}, 90_000);

afterAll(() => machines.close(), 60_000);

const shows = (place: string, text: string, ...command: readonly string[]) =>
  machines.inside(place, ...(command as [string])).includes(text);
const isAddressed = (place: string) => shows(place, 'inet ', 'ip', '-4', 'address', 'show', 'dev', 'eth0');
const hasDefault = (place: string) => shows(place, 'default', 'ip', 'route');

describe('what others change in one of many namespaces is put back by the next look', () => {
  test('in each of them', { timeout: 60_000 }, async () => {
    for (const place of places) machines.inside(place, 'ip', 'address', 'flush', 'dev', 'eth0');
    await eventually(() => places.every(isAddressed), SOON);
  });

  test('a route', { timeout: 60_000 }, async () => {
    const [place = ''] = places.slice(-1);
    machines.inside(place, 'ip', 'route', 'delete', 'default');
    await eventually(() => hasDefault(place), SOON);
  });

  test('an entry of a tunnel that has many', { timeout: 60_000 }, async () => {
    const [mac, address] = [macOf('10.1.10.7'), '10.1.10.7'];
    const device = ['dev', 'vxlan0'];
    const hasEntry = () => shows(overlay, `${mac} dst`, 'bridge', 'fdb', 'show', ...device);
    const hasNeighbour = () => shows(overlay, `${address} lladdr ${mac}`, 'ip', 'neighbour', 'show', ...device);
    expect([hasEntry(), hasNeighbour()]).toEqual([true, true]);
    machines.inside(overlay, 'bridge', 'fdb', 'delete', mac, ...device);
    await eventually(hasEntry, SOON);
    machines.inside(overlay, 'ip', 'neighbour', 'delete', address, ...device);
    await eventually(hasNeighbour, SOON);
  });
});
