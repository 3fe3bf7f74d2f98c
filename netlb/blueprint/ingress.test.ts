import { describe, expect, test } from 'vitest';
import { nftBalancer } from '../balancer/nft.js';
import { desired, facts, NET, sandbox, TASK } from '../plan/testing.js';
import type { DesiredState, PublishedPort } from '../state.js';
import { blueprint } from './blueprint.js';
import type { Facts } from './facts.js';

const port: PublishedPort = {
  protocol: 'tcp',
  published: 8080,
  target: 80,
  hostAddress: '',
  backends: [
    { address: '10.0.0.11', weight: 1 },
    { address: 'FD00:6:0::11', weight: 1 },
    { address: 'fd00:6::12', weight: 0 },
  ],
};
/** A node whose ingress network has both families. */
const dual = (...services: readonly Partial<PublishedPort>[]): DesiredState => ({
  ...desired,
  gatewayBridge: { address: '172.18.0.1/16', address6: 'fd00:7473::1/64' },
  overlays: desired.overlays.map((overlay) => ({ ...overlay, gateways: [...overlay.gateways, 'fd00:6::1/64'] })),
  sandboxes: [
    {
      ...sandbox,
      endpoints: sandbox.endpoints.map((one) => ({ ...one, addresses: [...one.addresses, 'fd00:6::11'] })),
      ingress: {
        overlayId: NET,
        subnets: ['10.0.0.0/24', 'fd00:6::/64'],
        ports: [
          { protocol: 'tcp', published: 8080, target: 80 },
          { protocol: 'udp', published: 53, target: 5353 },
        ],
      },
      hostPorts: [],
    },
  ],
  ingress: {
    overlayId: NET,
    addresses: ['10.0.0.2/24', 'FD00:6::2/64'],
    mac: '02:42:0a:00:00:02',
    services: services.map((more) => ({ ...port, ...more })),
  },
});
const made = (state: DesiredState, more: Partial<Facts> = {}) => {
  const { namespaces = [], problems } = blueprint(state, { ...facts, address6: '2001:db8::1', ...more }, nftBalancer);
  const space = (name: string) => namespaces.find((candidate) => candidate.name === name);
  const table = (name: string, family: string) => space(name)?.tables.find((one) => one.family === family);
  return {
    problems,
    space,
    elements: (name: string, family: string, set: string) =>
      table(name, family)?.sets.find((one) => one.name === set)?.elements,
    rules: (name: string, family: string, chain: string) =>
      table(name, family)?.chains.find((one) => one.name === chain)?.rules,
  };
};
const SBOX = 'ingress_sbox';

describe('an ingress network with both families', () => {
  const all = made(dual({}));

  test('ingress_sbox - has both on both sides, the same marks, and for each its own backends', () => {
    expect(all.problems).toEqual([]);
    const sbox = all.space(SBOX);
    expect(sbox?.interfaces.map(({ name, mac, addresses }) => [name, mac, ...addresses])).toEqual([
      ['eth0', '02:42:0a:00:00:02', '10.0.0.2/24', 'fd00:6::2/64'],
      ['eth1', '02:42:ac:12:00:02', '172.18.0.2/16', 'fd00:7473::2/64'],
    ]);
    expect(sbox?.routes.map(({ destination, via }) => `${destination} ${via}`)).toEqual([
      '0.0.0.0/0 172.18.0.1',
      '::/0 fd00:7473::1',
    ]);
    expect(sbox?.sysctls).toContainEqual({ key: 'net.ipv6.conf.all.forwarding', value: '1' });
    for (const family of ['ip', 'ip6']) expect(all.elements(SBOX, family, 'marks')).toEqual(['6 . 8080 : 256']);
    expect(all.rules(SBOX, 'ip', 'service_100')).toEqual(['dnat ip to numgen inc mod 1 map { 0 : 10.0.0.11 }']);
    expect(all.rules(SBOX, 'ip6', 'service_100')).toEqual(['dnat ip6 to numgen inc mod 1 map { 0 : fd00:6::11 }']);
    expect(all.elements(SBOX, 'ip', 'flows')).toEqual(['6 . 8080 . 10.0.0.11']);
    expect(all.elements(SBOX, 'ip6', 'flows')).toEqual(['6 . 8080 . fd00:6::11', '6 . 8080 . fd00:6::12']);
  });

  test('ingress_sbox - reaches tasks in the other subnets of the ingress network by its own link', () => {
    const { overlays, ...rest } = dual({});
    const larger = overlays.map((overlay) => ({ ...overlay, gateways: [...overlay.gateways, '10.0.7.1/24'] }));
    const routes = made({ ...rest, overlays: larger }).space(SBOX)?.routes;
    expect(routes?.map(({ destination, via, interface: link }) => `${destination} ${via} ${link}`)).toEqual([
      '0.0.0.0/0 172.18.0.1 eth1',
      '::/0 fd00:7473::1 eth1',
      '10.0.7.0/24 undefined eth0',
    ]);
  });

  test('the node - leads ports there over both, its own clients under an address that others know', () => {
    expect(all.elements('', 'ip6', 'ingress_ports')).toEqual(['6 . 8080 : fd00:7473::2 . 8080']);
    expect(all.elements('', 'ip6', 'flows')).toEqual(['6 . 8080 . fd00:7473::2']);
    expect(all.rules('', 'ip6', 'publish')?.[0]).toBe(
      'meta l4proto { 6, 17, 132 } dnat ip6 to meta l4proto . th dport map @ingress_ports',
    );
    expect(all.rules('', 'ip6', 'postrouting')?.[0]).toBe(
      'oifname "swarm_gwbridge" ct status dnat ip6 saddr fd00:7473::/64 snat to 2001:db8::1',
    );
    const without = made(dual({}), { address6: undefined });
    expect(without.rules('', 'ip6', 'postrouting')?.[0]).toBe(
      'oifname "swarm_gwbridge" ct status dnat ip6 saddr fd00:7473::/64 masquerade',
    );
  });

  test('a task - answers both by one rule and one route each, and hears members of the network over neither', () => {
    const task = all.space(TASK);
    expect(task?.rules.map(({ family, fwmark, table }) => [family, fwmark, table])).toEqual([
      [4, 0x0000000a, 100],
      [6, 0x0000000a, 100],
    ]);
    expect(task?.routes.map(({ destination, via, table, mtu }) => [destination, via, table, mtu])).toEqual([
      ['0.0.0.0/0', '172.18.0.1', 254, 1450],
      ['::/0', 'fd00:7473::1', 254, 1450],
      ['0.0.0.0/0', '169.254.1.1', 100, undefined],
      ['::/0', 'fe80::42:1', 100, undefined],
    ]);
    expect(all.rules(TASK, 'netdev', 'learn')).toHaveLength(2);
    expect(all.rules(TASK, 'ip6', 'ingress_target')).toEqual([
      'iifname "eth0" ip6 saddr != { fd00:6::/64, fe80::/10 } dnat ip6 to meta l4proto . th dport map @ingress_ports',
    ]);
    // UDP goes to the address that an unbound socket answers from.
    expect(all.elements(TASK, 'ip6', 'ingress_ports')).toEqual([
      '6 . 8080 : fd00:6::11 . 80',
      '17 . 53 : fd00:7473::3 . 5353',
    ]);
    expect(all.rules(TASK, 'ip6', 'ingress_guard')).toEqual([
      'ct state new ip6 saddr { fd00:6::/64, fe80::/10 } iifname "eth0" meta l4proto { 6, 17, 132 } drop',
    ]);
  });

  const [at4, at6] = ['172.18.0.2 . 8080', 'fd00:7473::2 . 8080'];
  test.each([
    ['', [`6 . 8080 : ${at4}`], [`6 . 8080 : ${at6}`], [], []],
    ['0.0.0.0', [`6 . 8080 : ${at4}`], [], [], []],
    ['::', [], [`6 . 8080 : ${at6}`], [], []],
    ['192.0.2.1', [], [], [`192.0.2.1 . 6 . 8080 : ${at4}`], []],
    ['2001:DB8:0::1', [], [], [], [`2001:db8::1 . 6 . 8080 : ${at6}`]],
  ])('a port of "%s" answers over its family alone', (hostAddress, all4, all6, one4, one6) => {
    const { elements, problems } = made(dual({ hostAddress }));
    expect(problems).toEqual([]);
    expect(elements('', 'ip', 'ingress_ports')).toEqual(all4);
    expect(elements('', 'ip6', 'ingress_ports')).toEqual(all6);
    expect(elements('', 'ip', 'ingress_ports_at')).toEqual(one4);
    expect(elements('', 'ip6', 'ingress_ports_at')).toEqual(one6);
  });

  test('two services may have one port, each over a family of its own', () => {
    const { elements, problems } = made(dual({ hostAddress: '0.0.0.0' }, { hostAddress: '::' }));
    expect(problems).toEqual([]);
    expect(elements('', 'ip', 'ingress_ports')).toEqual(['6 . 8080 : 172.18.0.2 . 8080']);
    expect(elements('', 'ip6', 'ingress_ports')).toEqual(['6 . 8080 : fd00:7473::2 . 65535']);
    expect(elements(SBOX, 'ip6', 'marks')).toEqual(['6 . 8080 : 256', '6 . 65535 : 257']);
  });

  test('a process that has the port over one family keeps it; over both, it is said once', () => {
    const listener = (family: 4 | 6) => ({ protocol: 'tcp' as const, family, address: '', port: 8080 });
    const occupied = (...listeners: ReturnType<typeof listener>[]) =>
      made(dual({}), { occupation: { listeners, held: new Map(), spared: new Set() } });
    const six = occupied(listener(6));
    const problem = (hostAddress: string) => ({ port: { protocol: 'tcp', published: 8080, hostAddress } });
    expect(six.problems).toMatchObject([problem('::')]);
    expect(six.elements('', 'ip', 'ingress_ports')).toEqual([`6 . 8080 : ${at4}`]);
    expect(six.elements('', 'ip6', 'ingress_ports')).toEqual([]);
    expect(occupied(listener(4), listener(6)).problems).toMatchObject([problem('')]);
  });

  test('a kernel without netdev egress - clients of each family get that of ingress_sbox', () => {
    const { rules } = made(dual({}), { clientAddress: 'lost' });
    expect(rules(SBOX, 'ip', 'source')).toEqual(['oifname "eth0" meta mark != 0 snat to 10.0.0.2']);
    expect(rules(SBOX, 'ip6', 'source')).toEqual(['oifname "eth0" meta mark != 0 snat to fd00:6::2']);
  });
});

test('an ingress network of IPv4 alone - nothing of IPv6 is made, whatever the gateway bridge has', () => {
  const state = { ...desired, gatewayBridge: { address: '172.18.0.1/16', address6: 'fd00:7473::1/64' } };
  const { space, elements, problems } = made(state);
  expect(problems).toEqual([]);
  expect(space(SBOX)?.tables.map(({ family }) => family)).toEqual(['ip']);
  expect(space(SBOX)?.routes).toHaveLength(1);
  expect(elements('', 'ip6', 'ingress_ports')).toEqual([]);
  expect(space(TASK)?.rules.map(({ family }) => family)).toEqual([4]);
});

test.each<[string, DesiredState, string]>([
  [
    'an ingress_sbox without an IPv4 address',
    { ...desired, ingress: desired.ingress && { ...desired.ingress, addresses: ['fd00:6::2/64'] } },
    `ingress_sbox has no IPv4 address in the ingress network ${NET}`,
  ],
  [
    'a task that knows no IPv4 subnet of it',
    { ...desired, sandboxes: [{ ...sandbox, ingress: { overlayId: NET, subnets: ['fd00:6::/64'], ports: [] } }] },
    `the ingress network ${NET} has no IPv4 subnet, which tasks know its nodes by`,
  ],
  [
    'a gateway bridge in the way of its IPv6 subnet',
    { ...dual(), sandboxes: [], gatewayBridge: { address: '172.18.0.1/16', address6: 'fd00:6::1/60' } },
    'the ingress network 10.0.0.0/24, fd00:6::/64 overlaps the gateway bridge fd00:6::/60',
  ],
])('problems - %s', (_, state, message) => {
  expect(made(state).problems.map((problem) => problem.message)).toEqual([message]);
});
