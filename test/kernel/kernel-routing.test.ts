import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  deleteAddress,
  deleteFdb,
  deleteNeighbour,
  deleteRoute,
  deleteRule,
  newAddress,
  newBridge,
  newFdb,
  newNeighbour,
  newRoute,
  newRule,
  newVeth,
  newVxlan,
  type Operation,
  type RouteSocket,
  setLink,
} from '../../netlb/kernel/rtnetlink.js';
import { json, Scratch } from './kernel-scratch.js';

let scratch: Scratch;
beforeEach(() => {
  scratch = new Scratch();
});
afterEach(() => {
  scratch.close();
});

const done = (route: RouteSocket, operations: readonly Operation[]) =>
  expect(route.batch(operations).failed.map(({ error }) => error.message)).toEqual([]);

/** A bridge that is up, with a carrier through a veth port. */
function bridged(route: RouteSocket): number {
  route.apply(newBridge({ name: 'br0', up: true }));
  const index = route.link({ name: 'br0' })?.index ?? 0;
  route.apply(newVeth({ name: 'v0', up: true, master: index, peer: { name: 'v1' } }));
  route.apply(setLink({ name: 'v1' }, { up: true }));
  return index;
}

test('addresses - IPv4 and IPv6, with and without the prefix route', () => {
  const namespace = scratch.namespace('a');
  const route = scratch.routeSocket(namespace);
  const index = bridged(route);
  done(route, [
    newAddress({ index, cidr: '10.0.1.5/24', broadcast: '10.0.1.255' }),
    newAddress({ index, cidr: '10.0.2.5/24', noPrefixRoute: true }),
    newAddress({ index, cidr: 'fd00:1::5/64' }),
    newAddress({ index, cidr: '10.0.1.5/24', replace: true }),
  ]);
  const [shown] = json<{ addr_info: Record<string, unknown>[] }>(namespace, 'ip', 'address', 'show', 'br0');
  expect(shown?.addr_info).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ local: '10.0.1.5', prefixlen: 24, scope: 'global' }),
      expect.objectContaining({ local: '10.0.2.5', prefixlen: 24, noprefixroute: true }),
      expect.objectContaining({ local: 'fd00:1::5', prefixlen: 64, nodad: true }),
    ]),
  );
  const routes = json<{ dst: string }>(namespace, 'ip', 'route').map(({ dst }) => dst);
  expect(routes).toEqual(['10.0.1.0/24']);
  const read = route.addresses().filter((address) => address.index === index && address.scope === 0);
  expect(read.map(({ cidr, family, noPrefixRoute, tentative }) => [cidr, family, noPrefixRoute, tentative])).toEqual([
    ['10.0.1.5/24', 4, false, false],
    ['10.0.2.5/24', 4, true, false],
    ['fd00:1::5/64', 6, false, false],
  ]);
  expect(route.batch([newAddress({ index, cidr: '10.0.1.5/24' })]).failed[0]?.error.code).toBe('EEXIST');

  done(route, [deleteAddress({ index, cidr: '10.0.1.5/24' }), deleteAddress({ index, cidr: 'fd00:1::5/64' })]);
  expect(route.batch([deleteAddress({ index, cidr: '10.0.1.5/24' })]).failed[0]?.error.code).toBe('EADDRNOTAVAIL');
});

test('routes - gateway, onlink, table, MTU, scope, blackhole; both families', () => {
  const namespace = scratch.namespace('r');
  const route = scratch.routeSocket(namespace);
  const index = bridged(route);
  done(route, [
    newAddress({ index, cidr: '10.0.1.5/24' }),
    newAddress({ index, cidr: 'fd00:1::5/64' }),
    newRoute({ destination: '0.0.0.0/0', via: '10.0.1.1', mtu: 1450 }),
    newRoute({ destination: '10.9.0.0/16', via: '10.200.0.1', index, onlink: true, source: '10.0.1.5' }),
    newRoute({ destination: '10.8.0.0/16', index, table: 1000 }),
    newRoute({ destination: '0.0.0.0/0', via: '10.0.1.9', index, table: 1000 }),
    newRoute({ destination: '10.7.0.0/16', type: 'blackhole' }),
    newRoute({ destination: 'fd00:9::/64', via: 'fd00:1::1', priority: 77 }),
    newRoute({ destination: '::/0', via: 'fd00:1::9', index }),
    newRoute({ destination: '0.0.0.0/0', via: '10.0.1.2', mtu: 1400, replace: true }),
  ]);
  const main = json(namespace, 'ip', 'route');
  expect(main).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ dst: 'default', gateway: '10.0.1.2', metrics: [{ mtu: 1400 }] }),
      expect.objectContaining({ dst: '10.9.0.0/16', gateway: '10.200.0.1', flags: ['onlink'], prefsrc: '10.0.1.5' }),
      expect.objectContaining({ type: 'blackhole', dst: '10.7.0.0/16' }),
    ]),
  );
  expect(json(namespace, 'ip', 'route', 'show', 'table', '1000')).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ dst: '10.8.0.0/16', dev: 'br0', scope: 'link' }),
      expect.objectContaining({ dst: 'default', gateway: '10.0.1.9' }),
    ]),
  );
  expect(json(namespace, 'ip', '-6', 'route')).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ dst: 'fd00:9::/64', gateway: 'fd00:1::1', metric: 77 }),
      expect.objectContaining({ dst: 'default', gateway: 'fd00:1::9' }),
    ]),
  );

  expect(route.routes(1000)).toEqual([
    expect.objectContaining({ family: 4, destination: '0.0.0.0/0', via: '10.0.1.9', index, table: 1000 }),
    expect.objectContaining({ family: 4, destination: '10.8.0.0/16', via: undefined, table: 1000, scope: 253 }),
  ]);
  expect(route.routes(4711)).toEqual([]);
  const all = route.routes();
  expect(all.find(({ destination, table }) => destination === '0.0.0.0/0' && table === 254)).toMatchObject({
    via: '10.0.1.2',
    mtu: 1400,
    onlink: false,
  });
  expect(all.find(({ destination }) => destination === '10.9.0.0/16')).toMatchObject({ onlink: true });
  expect(all.find(({ destination }) => destination === 'fd00:9::/64')).toMatchObject({ family: 6, priority: 77 });
  expect(all.some(({ table }) => table === 255)).toBe(true);

  done(route, [
    deleteRoute({ destination: '10.8.0.0/16', table: 1000 }),
    deleteRoute({ destination: '0.0.0.0/0', table: 1000 }),
    deleteRoute({ destination: '10.7.0.0/16', type: 'blackhole' }),
    deleteRoute({ destination: 'fd00:9::/64' }),
    deleteRoute({ destination: '10.9.0.0/16', via: '10.200.0.1' }),
  ]);
  expect(route.routes(1000)).toEqual([]);
  const refused = route.batch([
    deleteRoute({ destination: '10.8.0.0/16', table: 1000 }),
    newRoute({ destination: '10.6.0.0/16', via: '192.0.2.1' }),
  ]).failed;
  expect(refused.map(({ error }) => error.code)).toEqual(['ESRCH', 'ENETUNREACH']);
  expect(refused[1]?.error.message).toBe(
    'add route 10.6.0.0/16 via 192.0.2.1: Network is unreachable (ENETUNREACH): Nexthop has invalid gateway',
  );
});

test('rules - fwmark with a mask to a table', () => {
  const namespace = scratch.namespace('u');
  const route = scratch.routeSocket(namespace);
  const rules = [
    { family: 4, priority: 100, fwmark: 0x2420000, fwmask: 0xffff0000, table: 1000 },
    { family: 6, priority: 100, fwmark: 7, table: 100 },
    { family: 4, priority: 101, source: '10.0.1.0/24', inputInterface: 'eth0', table: 1001 },
  ] as const;
  done(route, rules.map(newRule));
  expect(json(namespace, 'ip', 'rule')).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ priority: 100, fwmark: '0x2420000', fwmask: '0xffff0000', table: '1000' }),
      expect.objectContaining({ priority: 101, src: '10.0.1.0', srclen: 24, iif: 'eth0', table: '1001' }),
    ]),
  );
  expect(json(namespace, 'ip', '-6', 'rule')).toEqual(
    expect.arrayContaining([expect.objectContaining({ priority: 100, fwmark: '0x7', table: '100' })]),
  );
  expect(route.rules()).toEqual(
    expect.arrayContaining([
      expect.objectContaining(rules[0]),
      expect.objectContaining({ ...rules[1], fwmask: 0xffffffff }),
      expect.objectContaining(rules[2]),
    ]),
  );
  expect(route.batch([newRule(rules[0])]).failed[0]?.error.code).toBe('EEXIST');
  done(route, rules.map(deleteRule));
  expect(route.rules().filter(({ priority }) => priority === 100)).toEqual([]);
  expect(route.batch([deleteRule(rules[0])]).failed[0]?.error.code).toBe('ENOENT');
});

test('neighbours and forwarding entries of a VXLAN device', () => {
  const namespace = scratch.namespace('f');
  const route = scratch.routeSocket(namespace);
  done(route, [
    newVxlan({ name: 'vx0', vni: 5, local: '127.0.0.1', port: 4789, learning: false, proxy: true, up: true }),
    newVxlan({ name: 'vx1', vni: 6, local: '127.0.0.1', port: 4789, learning: false, proxy: true, up: true }),
  ]);
  const index = route.link({ name: 'vx0' })?.index ?? 0;
  const other = route.link({ name: 'vx1' })?.index ?? 0;
  const zero = '00:00:00:00:00:00';
  done(route, [
    newNeighbour({ index, address: '10.0.1.7', mac: '02:42:0a:00:01:07' }),
    newNeighbour({ index, address: 'fd00::7', mac: '02:42:0a:00:01:07' }),
    newNeighbour({ index: other, address: '10.0.2.7', mac: '02:42:0a:00:02:07' }),
    newNeighbour({ index, address: '10.0.1.7', mac: '02:42:0a:00:01:08' }),
    newFdb({ index, mac: '02:42:0a:00:01:08', vtep: '192.0.2.2' }),
    newFdb({ index, mac: '02:42:0a:00:01:08', vtep: '192.0.2.3' }),
    newFdb({ index, mac: zero, vtep: '192.0.2.2', append: true }),
    newFdb({ index, mac: zero, vtep: '192.0.2.3', append: true }),
    newFdb({ index: other, mac: '02:42:0a:00:02:07', vtep: '192.0.2.2' }),
  ]);
  expect(json(namespace, 'ip', 'neigh', 'show', 'dev', 'vx0')).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ dst: '10.0.1.7', lladdr: '02:42:0a:00:01:08', state: ['PERMANENT'] }),
      expect.objectContaining({ dst: 'fd00::7', lladdr: '02:42:0a:00:01:07', state: ['PERMANENT'] }),
    ]),
  );
  const shown = json<{ mac: string; dst: string; state: string }>(namespace, 'bridge', 'fdb', 'show', 'dev', 'vx0');
  const want = [
    [zero, '192.0.2.2'],
    [zero, '192.0.2.3'],
    ['02:42:0a:00:01:08', '192.0.2.3'],
  ];
  expect(shown.map(({ mac, dst }) => [mac, dst]).sort()).toEqual(want);
  expect(shown.every(({ state }) => state === 'permanent')).toBe(true);

  const entries = route.fdb(index);
  expect(entries.map(({ mac, vtep }) => [mac, vtep]).sort()).toEqual(want);
  expect(entries.every((entry) => entry.permanent && entry.index === index && entry.master === undefined)).toBe(true);
  expect(route.fdb().filter(({ vtep }) => vtep !== undefined)).toHaveLength(4);
  const permanent = route.neighbours(index).filter((neighbour) => neighbour.permanent);
  expect(permanent.map(({ address, mac }) => [address, mac]).sort()).toEqual([
    ['10.0.1.7', '02:42:0a:00:01:08'],
    ['fd00::7', '02:42:0a:00:01:07'],
  ]);

  done(route, [
    deleteFdb({ index, mac: '02:42:0a:00:01:08', vtep: '192.0.2.3' }),
    deleteFdb({ index, mac: zero, vtep: '192.0.2.2' }),
    deleteNeighbour({ index, address: '10.0.1.7' }),
  ]);
  expect(json(namespace, 'bridge', 'fdb', 'show', 'dev', 'vx0')).toHaveLength(1);
  const refused = route.batch([
    deleteFdb({ index, mac: '02:42:0a:00:01:08', vtep: '192.0.2.3' }),
    deleteNeighbour({ index, address: '10.0.1.7' }),
  ]).failed;
  expect(refused.map(({ error }) => error.code)).toEqual(['ENOENT', 'ENOENT']);
});

test('forwarding entries of a bridge port', () => {
  const namespace = scratch.namespace('p');
  const route = scratch.routeSocket(namespace);
  const master = bridged(route);
  const index = route.link({ name: 'v0' })?.index ?? 0;
  const entry = { index, mac: '02:42:0a:00:01:05' };
  done(route, [newFdb(entry)]);
  const shown = () =>
    json<{ mac: string; state: string; vlan?: number }>(namespace, 'bridge', 'fdb', 'show', 'dev', 'v0').filter(
      ({ mac }) => mac === entry.mac,
    );
  // A kernel with VLAN filtering adds one for the port's own VLAN.
  expect(shown().filter(({ vlan }) => vlan === undefined)).toEqual([
    expect.objectContaining({ master: 'br0', state: 'static' }),
  ]);
  const read = route.fdb(index).filter(({ mac }) => mac === entry.mac);
  expect(read).toHaveLength(shown().length);
  expect(read).toContainEqual({
    index,
    mac: entry.mac,
    vtep: undefined,
    master,
    permanent: false,
    static: true,
    vlan: undefined,
  });
  done(route, [deleteFdb(entry)]);
  expect(shown()).toEqual([]);
});

test('a table of thousands is written and read whole', () => {
  const namespace = scratch.namespace('big');
  const route = scratch.routeSocket(namespace);
  done(route, [newVxlan({ name: 'vx0', vni: 5, local: '127.0.0.1', port: 4789, learning: false, proxy: true })]);
  const index = route.link({ name: 'vx0' })?.index ?? 0;
  const count = 3000;
  const mac = (i: number) =>
    `02:42:0a:00:${(i >> 8).toString(16).padStart(2, '0')}:${(i & 255).toString(16).padStart(2, '0')}`;
  done(
    route,
    Array.from({ length: count }, (_, i) => newFdb({ index, mac: mac(i), vtep: '192.0.2.2' })),
  );
  expect(new Set(route.fdb(index).map((entry) => entry.mac)).size).toBe(count);
});
