import { describe, expect, test } from 'vitest';
import { parseCidr } from '../../lib/ip.js';
import { nftBalancer, roundRobin } from '../balancer/nft.js';
import type { Listener } from '../kernel/listeners.js';
import { facts } from '../plan/testing.js';
import type { DesiredState, Overlay, Sandbox } from '../state.js';
import { blueprint } from './blueprint.js';
import type { Facts } from './facts.js';
import { wayBackNetdevTable, wayBackRules } from './wayback.js';

const desired: DesiredState = {
  underlay: { address: '192.0.2.1', vxlanPort: 4789 },
  gatewayBridge: { address: '172.18.0.1/16', address6: '' },
  overlays: [{ id: 'net', vni: 4096, gateways: ['10.0.0.1/24'], mtu: 0, remotes: [] }],
  bridges: [],
  routed: [],
  sandboxes: [],
  zones: [],
  ingress: { overlayId: 'net', addresses: ['10.0.0.2/24'], mac: '02:42:0a:00:00:02', services: [] },
};
const port = { protocol: 'tcp', published: 8080, target: 80, hostAddress: '', backends: [] } as const;
const problems = (state: Partial<DesiredState>, more: Partial<Facts> = {}) =>
  blueprint({ ...desired, ...state }, { ...facts, ...more }, nftBalancer).problems.map(({ message }) => message);
const net: Overlay = { id: 'net', vni: 4096, gateways: ['10.0.0.1/24'], mtu: 0, remotes: [] };
/** Without an ingress network. */
const overlays = (more: Partial<Overlay>): Partial<DesiredState> => ({
  overlays: [{ ...net, ...more }],
  ingress: undefined,
});
const task = (address: string, virtualServices: Sandbox['virtualServices'] = []): Sandbox => ({
  id: 'task',
  endpoints: [{ networkId: 'net', addresses: [address], mac: '02:42:0a:00:00:05' }],
  gateway: true,
  virtualServices,
  ingress: undefined,
  hostPorts: [],
  resolver: undefined,
});
const virtual = (address: string, ...backends: string[]): Partial<DesiredState> => ({
  sandboxes: [task('10.0.0.5', [{ address, backends: backends.map((backend) => ({ address: backend, weight: 1 })) }])],
  ingress: undefined,
});
const published = (...services: object[]): Partial<DesiredState> => ({
  ingress: desired.ingress && { ...desired.ingress, services: services.map((more) => ({ ...port, ...more })) },
});

describe('way back', () => {
  // The mark is a MAC's last four bytes as they lie in the packet: 10.0.0.x is 0x??00000a.
  test.each([
    ['10.0.0.0/24', 0x0000000a, 0x00ffffff, 'ff:ff:ff:ff:ff:00', '02:42:0a:00:00:00'],
    ['10.0.16.0/20', 0x0010000a, 0x00f0ffff, 'ff:ff:ff:ff:f0:00', '02:42:0a:00:10:00'],
    ['10.1.0.0/16', 0x0000010a, 0x0000ffff, 'ff:ff:ff:ff:00:00', '02:42:0a:01:00:00'],
  ])('of %s', (subnet, fwmark, fwmask, mask, prefix) => {
    const input = { interface: 'eth0', subnets: [parseCidr(subnet)], gatewayAddresses: ['172.18.0.3', 'fd00:7473::3'] };
    expect(wayBackRules(input)).toMatchObject([{ family: 4, fwmark, fwmask }]);
    const table = wayBackNetdevTable(input);
    expect(table.chains[0]?.rules).toEqual([
      `ether saddr & ${mask} == ${prefix} ip saddr != ${subnet} meta mark set @ll,64,32 add @gw { meta mark : ether saddr }`,
    ]);
  });
});

test('round robin - a map of turns; none without a backend that takes connections', () => {
  const backends = [
    { address: '10.0.0.5', weight: 1 },
    { address: '10.0.0.6', weight: 0 },
    { address: '10.0.0.7', weight: 1 },
  ];
  expect(roundRobin(backends)).toBe('dnat ip to numgen inc mod 2 map { 0 : 10.0.0.5, 1 : 10.0.0.7 }');
  expect(roundRobin([{ address: '10.0.0.6', weight: 0 }])).toBeUndefined();
  expect(roundRobin([{ address: 'fd00::5', weight: 1 }])).toBe('dnat ip6 to numgen inc mod 1 map { 0 : fd00::5 }');
});

describe('problems - in words, each for itself', () => {
  test.each<[string, Partial<DesiredState>, Partial<Facts>, string]>([
    [
      'no interface has the underlay address',
      {},
      { underlayMtu: undefined },
      'underlay address 192.0.2.1 is on no interface of this node',
    ],
    [
      'a kernel without netdev egress',
      {},
      { clientAddress: 'lost' },
      "this kernel has no netdev egress hook (Linux 5.16): tasks see this node's ingress address instead of the client's",
    ],
    ['a port twice', published({}, {}), {}, 'port 8080/tcp is published twice'],
    ['a port out of range', published({ published: 0 }), {}, 'published port 0 is not a port'],
    ['a host address', published({ hostAddress: 'eth0' }), {}, 'host address "eth0" is not an IP address'],
    [
      'a weight',
      published({ backends: [{ address: '10.0.0.5', weight: 1.5 }] }),
      {},
      'weight 1.5 of backend 10.0.0.5 is not a whole number from 0 to 256',
    ],
    ['a VNI', overlays({ vni: 0 }), {}, 'VNI 0 is not a number from 1 to 16777215'],
    ['an MTU that IPv4 cannot use', overlays({ mtu: 60 }), {}, 'MTU 60 is not one that IPv4 can use'],
    [
      'an MTU that IPv6 cannot use',
      overlays({ mtu: 1200, gateways: ['10.0.0.1/24', 'fd00::1/64'] }),
      {},
      'MTU 1200 is not one that IPv6 can use',
    ],
    [
      'a data-path port',
      { underlay: { address: '192.0.2.1', vxlanPort: 0 }, ingress: undefined },
      {},
      'data-path port 0 is not a port',
    ],
    [
      'backends of another family than their address',
      virtual('fd00::9', '10.0.0.5'),
      {},
      'backend "10.0.0.5" is not an IPv6 address',
    ],
    [
      'interfaces that would have the same addresses',
      { ...virtual('10.0.0.9'), overlays: [{ ...net, gateways: ['172.18.0.1/24'] }], sandboxes: [task('172.18.0.9')] },
      {},
      '172.18.0.0/24 of eth0 (1-net) overlaps 172.18.0.0/16 of eth1 (swarm_gwbridge): ' +
        'its packets would not know which way to go',
    ],
    [
      'a gateway bridge where a VPN is',
      {},
      { foreign: { links: new Map(), subnets: [{ cidr: '172.18.5.0/24', what: 'the route 172.18.5.0/24 dev tun0' }] } },
      'the subnet 172.18.0.0/16 of swarm_gwbridge overlaps the route 172.18.5.0/24 dev tun0',
    ],
    [
      'a VPN where the gateway bridge is',
      {},
      {
        foreign: { links: new Map(), subnets: [{ cidr: '172.18.5.0/24', what: 'the route 172.18.5.0/24 dev tun0' }] },
        bridgeAddresses: new Map([['swarm_gwbridge', ['172.18.0.1/16']]]),
      },
      'the subnet 172.18.0.0/16 of swarm_gwbridge overlaps the route 172.18.5.0/24 dev tun0, which came later: ' +
        'some of its addresses may be out of reach',
    ],
    ['an ingress network that is not here', { overlays: [] }, {}, 'the ingress network net is not on this node'],
    [
      'an ingress network in the way',
      { gatewayBridge: { address: '10.0.0.1/16', address6: '' } },
      {},
      'the ingress network 10.0.0.0/24 overlaps the gateway bridge 10.0.0.0/16',
    ],
  ])('%s', (_, state, more, message) => {
    expect(problems(state, more)).toEqual([message]);
  });

  test.each([
    [
      'a process has first',
      'tcp',
      '',
      new Map<string, string>(),
      ['port 8080/tcp is in use by a process of this node: it is not published here'],
      [],
    ],
    [
      'a process took later',
      'tcp',
      '',
      new Map([['ip 6 . 8080', '']]),
      ['port 8080/tcp is in use by a process of this node too: it was published first, the process gets nothing'],
      ['6 . 8080 : 172.18.0.2 . 8080'],
    ],
    ['a process has for UDP', 'udp', '', new Map<string, string>(), [], ['6 . 8080 : 172.18.0.2 . 8080']],
  ] as const)('a port that %s', (_, protocol, address, held, messages, elements) => {
    const listeners = [{ protocol, family: 4 as const, address, port: 8080 }];
    const occupation = { listeners, held, spared: new Set<string>() };
    const made = blueprint({ ...desired, ...published({}) }, { ...facts, occupation }, nftBalancer);
    expect(made.problems).toEqual(
      messages.map((message) => ({
        subject: { kind: 'ingress', id: 'net' },
        message,
        port: { protocol, published: 8080, hostAddress: '0.0.0.0' },
      })),
    );
    const sets = made.namespaces?.[0]?.tables[0]?.sets;
    expect(sets?.find(({ name }) => name === 'ingress_ports')?.elements).toEqual(elements);
  });

  test('a port of all addresses is left to a process at those alone that it had first', () => {
    const waiting = ['127.0.0.1', '192.0.2.1'].map((address): Listener => {
      return { protocol: 'tcp', family: 4, address, port: 8080 };
    });
    const seen = (listeners: readonly Listener[], held: readonly string[], spared: readonly string[]) => {
      const occupation = { listeners, held: new Map(held.map((key) => [key, ''])), spared: new Set(spared) };
      const made = blueprint({ ...desired, ...published({}) }, { ...facts, occupation }, nftBalancer);
      const table = made.namespaces?.[0]?.tables[0];
      const elements = (name: string) => table?.sets.find((set) => set.name === name)?.elements;
      const [first] = table?.chains.find(({ name }) => name === 'publish')?.rules ?? [];
      return { first, messages: made.problems.map(({ message }) => message), elements };
    };
    const divided = seen(waiting, [], []);
    expect(divided.messages).toEqual([
      'port 8080/tcp of 127.0.0.1 is in use by a process of this node: it is not published there',
      'port 8080/tcp of 192.0.2.1 is in use by a process of this node: it is not published there',
    ]);
    expect(divided.elements('ingress_ports')).toEqual(['6 . 8080 : 172.18.0.2 . 8080']);
    expect(divided.elements('spared_ports')).toEqual(['127.0.0.1 . 6 . 8080', '192.0.2.1 . 6 . 8080']);
    expect(divided.first).toBe('meta l4proto { 6, 17, 132 } ip daddr . meta l4proto . th dport @spared_ports accept');
    // The second came when the port was published already; the first is still there.
    const later = seen(waiting, ['ip 6 . 8080'], ['ip 127.0.0.1 . 6 . 8080']);
    expect(later.elements('spared_ports')).toEqual(['127.0.0.1 . 6 . 8080']);
    expect(later.messages[1]).toBe(
      'port 8080/tcp of 192.0.2.1 is in use by a process of this node too: it was published first, the process gets nothing',
    );
    const gone = seen([], ['ip 6 . 8080'], ['ip 127.0.0.1 . 6 . 8080']);
    expect(gone).toMatchObject({ messages: [], first: expect.stringContaining('@ingress_ports') });
    expect(gone.elements('spared_ports')).toBeUndefined();
  });

  test('a port at one address - a process at another does not matter', () => {
    const at = (address: string) => ({
      occupation: {
        listeners: [{ protocol: 'tcp' as const, family: 4 as const, address, port: 8080 }],
        held: new Map<string, string>(),
        spared: new Set<string>(),
      },
    });
    expect(problems(published({ hostAddress: '192.0.2.1' }), at('127.0.0.1'))).toEqual([]);
    expect(problems(published({ hostAddress: '192.0.2.1' }), at('192.0.2.1'))).toHaveLength(1);
    expect(problems(published({ hostAddress: '192.0.2.1' }), at(''))).toHaveLength(1);
  });

  test('nothing to say of a state that is right', () => {
    expect(problems(published({}, { published: 8081 }))).toEqual([]);
    expect(problems({}, { clientAddress: 'hidden' })).toEqual([]);
  });
});
