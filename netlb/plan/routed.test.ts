import { describe, expect, test } from 'vitest';
import { macOf } from '../../lib/ip.js';
import { nftBalancer } from '../balancer/nft.js';
import { blueprint } from '../blueprint/blueprint.js';
import type { Facts } from '../blueprint/facts.js';
import type { Route } from '../kernel/rtnetlink.js';
import { NODE_NAMESPACE } from '../names.js';
import type { DesiredState, RoutedNetwork, RoutePeer, Sandbox } from '../state.js';
import type { ActualNamespace, ActualState } from './actual.js';
import { plan } from './plan.js';
import { desired, facts, made, sandbox } from './testing.js';
import { foundBy } from './words.js';

const peer = (subnet: string, address: string): RoutePeer => ({
  subnet,
  address,
  mac: macOf(subnet.replace(/\/\d+$/, '')),
});
const NET = 'routed1000000000000000000';
const BRIDGE = 'br-routed100000';
const net: RoutedNetwork = {
  id: NET,
  backend: 'vxlan',
  vni: 4097,
  subnet: '10.1.0.0/16',
  gateways: ['10.1.83.1/24'],
  mtu: 0,
  internal: false,
  peers: [peer('10.1.24.0/24', '192.0.2.2'), peer('10.1.25.0/24', '192.0.2.3')],
};
const direct: RoutedNetwork = { ...net, backend: 'host-gw', vni: 0 };
const task: Sandbox = {
  ...sandbox,
  endpoints: [{ networkId: NET, addresses: ['10.1.83.2'], mac: macOf('10.1.83.2') }],
  gateway: false,
  virtualServices: [],
  ingress: undefined,
  hostPorts: [],
};
const state = (network: RoutedNetwork = net, more: Partial<DesiredState> = {}): DesiredState => ({
  ...desired,
  overlays: [],
  ingress: undefined,
  routed: [network],
  sandboxes: [task],
  ...more,
});
const wanted = (of: DesiredState = state(), more: Partial<Facts> = {}) =>
  blueprint(of, { ...facts, ...more }, nftBalancer);
const nodeOf = (of: DesiredState = state(), more: Partial<Facts> = {}) =>
  wanted(of, more).namespaces?.find(({ name }) => name === NODE_NAMESPACE);
const rulesOf = (chain: string, of: DesiredState = state()) =>
  nodeOf(of)
    ?.tables.find(({ family }) => family === 'ip')
    ?.chains.find(({ name }) => name === chain)?.rules;

/** What a kernel shows of it, but for a change in the node's own namespace. */
function shown(change: (node: ActualNamespace) => Partial<ActualNamespace>, of = wanted()): ActualState {
  const actual = made(of);
  const node = actual.namespaces.get(NODE_NAMESPACE);
  if (!node) throw new TypeError('no node');
  return { ...actual, namespaces: new Map([...actual.namespaces, [NODE_NAMESPACE, { ...node, ...change(node) }]]) };
}
const repairs = (actual: ActualState, of = wanted()) => plan(of, actual).operations.flatMap(foundBy);

describe('a routed network over VXLAN', () => {
  test('is a bridge with the first address, and a device with the lowest', () => {
    expect(nodeOf()).toMatchObject({
      bridges: [{ name: 'swarm_gwbridge' }, { name: BRIDGE, addresses: ['10.1.83.1/24'], mtu: 1450 }],
      vxlans: [{ name: 'routed.4097', bridge: undefined, addresses: ['10.1.83.0/32'], mac: '02:42:0a:01:53:00' }],
    });
  });

  test('has one neighbour and one way for frames to each other node, and one route', () => {
    const node = nodeOf();
    expect(node?.vxlans[0]?.remotes).toEqual([
      { address: '10.1.24.0', mac: '02:42:0a:01:18:00', vtep: '192.0.2.2' },
      { address: '10.1.25.0', mac: '02:42:0a:01:19:00', vtep: '192.0.2.3' },
    ]);
    expect(node?.routes).toMatchObject([
      { destination: '10.1.24.0/24', via: '10.1.24.0', interface: 'routed.4097', onlink: true, protocol: 115 },
      { destination: '10.1.25.0/24', via: '10.1.25.0', interface: 'routed.4097', onlink: true, protocol: 115 },
    ]);
  });

  test('lets the network’s packets pass between nodes and nothing else, and hides addresses from others alone', () => {
    expect(rulesOf('isolation')?.slice(0, 3)).toEqual([
      `iifname "routed.4097" oifname "${BRIDGE}" ip saddr 10.1.0.0/16 accept`,
      `iifname "${BRIDGE}" oifname "routed.4097" ip daddr 10.1.0.0/16 accept`,
      `iifname != "${BRIDGE}" oifname "routed.4097" ip daddr 10.1.0.0/16 goto inward`,
    ]);
    expect(rulesOf('postrouting')).toContain(
      `oifname != "${BRIDGE}" ip saddr 10.1.83.0/24 ip daddr != 10.1.0.0/16 masquerade`,
    );
  });

  test('gives its containers the default route, and one to the network where that leads elsewhere', () => {
    const routes = (of: DesiredState) =>
      wanted(of)
        .namespaces?.find(({ name }) => name === task.id)
        ?.routes.map(({ destination, via, interface: name }) => `${destination} ${via} ${name}`);
    expect(routes(state())).toEqual(['0.0.0.0/0 10.1.83.1 eth0', '10.1.0.0/16 10.1.83.1 eth0']);
    expect(routes(state(net, { sandboxes: [{ ...task, gateway: true }] }))).toEqual([
      '0.0.0.0/0 172.18.0.1 eth1',
      '10.1.0.0/16 10.1.83.1 eth0',
    ]);
    expect(routes(state({ ...net, internal: true }))).toEqual(['10.1.0.0/16 10.1.83.1 eth0']);
  });
});

describe('a routed network without encapsulation', () => {
  test('has routes to the nodes themselves, and the underlay’s MTU', () => {
    const node = nodeOf(state(direct));
    expect(node).toMatchObject({ bridges: [{}, { name: BRIDGE, mtu: 1500 }], vxlans: [] });
    expect(node?.routes).toMatchObject([
      { destination: '10.1.24.0/24', via: '192.0.2.2', interface: 'eth0', onlink: false },
      { destination: '10.1.25.0/24', via: '192.0.2.3', interface: 'eth0', onlink: false },
    ]);
    expect(rulesOf('isolation', state(direct))?.[0]).toBe(
      `iifname "eth0" oifname "${BRIDGE}" ip saddr { 10.1.0.0/16, 192.0.2.2, 192.0.2.3 } accept`,
    );
  });

  test('a node on another segment - is named, and the others are reached', () => {
    const of = state({ ...direct, peers: [peer('10.1.24.0/24', '198.51.100.2'), peer('10.1.25.0/24', '192.0.2.3')] });
    expect(nodeOf(of)?.routes.map(({ destination }) => destination)).toEqual(['10.1.25.0/24']);
    expect(wanted(of).problems).toEqual([
      {
        subject: { kind: 'bridge', id: NET },
        message:
          'backend host-gw reaches nodes on one segment only: 198.51.100.2, which has 10.1.24.0/24, is not in that of ' +
          '192.0.2.1 (192.0.2.1/24 of eth0); use backend=vxlan',
      },
    ]);
  });
});

describe('what cannot be described', () => {
  const foreign = { links: new Map(), subnets: [{ cidr: '10.1.24.0/24', what: 'the route 10.1.24.0/24 dev eth1' }] };
  test.each<[string, RoutedNetwork, Partial<Facts>, string]>([
    ['a foreign route', net, { foreign }, 'the subnet 10.1.0.0/16 of br-routed100000 overlaps the route 10.1.24.0/24'],
    ['its own lease elsewhere', { ...net, peers: [peer('10.1.83.0/24', '192.0.2.2')] }, {}, "is this node's own"],
    ['a lease outside', { ...net, peers: [peer('10.2.0.0/24', '192.0.2.2')] }, {}, 'or not in 10.1.0.0/16'],
    ['a MAC', { ...net, peers: [{ ...peer('10.1.24.0/24', '192.0.2.2'), mac: '' }] }, {}, '"" is not a MAC address'],
    ['a VNI', { ...net, vni: 0 }, {}, 'VNI 0 is not a number'],
  ])('%s - is named', (_what, network, more, message) => {
    expect(wanted(state(network, { sandboxes: [] }), more).problems).toMatchObject([
      { subject: { kind: 'bridge', id: NET }, message: expect.stringContaining(message) },
    ]);
  });

  test.each([net, direct])('what is there of it stays as it is: $backend', (network) => {
    const unclear = wanted(state(network, { sandboxes: [] }), { foreign });
    const before = made(wanted(state(network, { sandboxes: [] })));
    expect(plan(unclear, before).operations.filter(({ kind }) => kind !== 'run-nft')).toEqual([]);
  });
});

describe('drift', () => {
  test('none when the kernel shows all', () => {
    expect(plan(wanted(), made(wanted()))).toEqual({ operations: [], problems: [] });
    const of = wanted(state(direct));
    const uplink = shown(({ links, routes: [route] }) => {
      const [lo] = links;
      return { links: lo && route ? [...links, { ...lo, name: 'eth0', index: route.index ?? 0 }] : links };
    }, of);
    expect(plan(of, uplink)).toEqual({ operations: [], problems: [] });
  });

  test('a route, a neighbour, a forwarding entry, an address that is missing - is made again', () => {
    expect(repairs(shown(({ routes }) => ({ routes: routes.slice(1) })))).toEqual([
      'the route 10.1.24.0/24 of routed.4097 was missing or another',
    ]);
    expect(repairs(shown(() => ({ tunnels: new Map() })))).toEqual([
      'the neighbour 10.1.24.0 (02:42:0a:01:18:00) of routed.4097 was missing',
      'the FDB entry 02:42:0a:01:18:00 dst 192.0.2.2 of routed.4097 was missing',
      'the neighbour 10.1.25.0 (02:42:0a:01:19:00) of routed.4097 was missing, and 1 more like it',
    ]);
    expect(
      repairs(shown(({ addresses }) => ({ addresses: addresses.filter(({ cidr }) => cidr !== '10.1.83.0/32') }))),
    ).toEqual(['the address 10.1.83.0/32 of routed.4097 was missing']);
  });

  test('a node that is gone - takes its entries and its route along; others’ routes stay', () => {
    const fewer = wanted(state({ ...net, peers: net.peers.slice(0, 1) }));
    const others = (route: Route): Route[] => [{ ...route, destination: '10.77.0.0/16', protocol: 4 }];
    const actual = shown(({ routes }) => ({ routes: [...routes, ...routes.slice(0, 1).flatMap(others)] }));
    expect(repairs(actual, fewer)).toEqual([
      'nothing asked for the neighbour 10.1.25.0 (02:42:0a:01:19:00) of routed.4097',
      'nothing asked for the FDB entry 02:42:0a:01:19:00 dst 192.0.2.3 of routed.4097',
      'nothing asked for the route 10.1.25.0/24',
      'nftables differed: delete element ip tsswarm vteps',
    ]);
  });

  test('a route of the same destination that is not of our making - is not taken for ours', () => {
    const theirs = shown(({ routes }) => ({
      routes: routes.map((route) => ({
        ...route,
        protocol: route.destination === '10.1.24.0/24' ? 4 : route.protocol,
      })),
    }));
    expect(plan(wanted(), theirs).operations).toMatchObject([
      { kind: 'set-route', route: { destination: '10.1.24.0/24' }, subject: { kind: 'bridge', id: NET } },
    ]);
  });

  test('the network is gone - nothing of it is left', () => {
    const gone = wanted({ ...state(), routed: [], sandboxes: [] });
    const { operations } = plan(gone, made(wanted()));
    expect(operations.filter(({ kind }) => kind !== 'run-nft')).toMatchObject([
      { kind: 'remove-namespace', namespace: task.id },
      { kind: 'remove-links', namespace: NODE_NAMESPACE, names: expect.arrayContaining([BRIDGE, 'routed.4097']) },
      { kind: 'remove-route', destination: '10.1.24.0/24' },
      { kind: 'remove-route', destination: '10.1.25.0/24' },
    ]);
  });

  test('a device of that name that is not ours - is named, and left alone', () => {
    const actual = shown(({ links }) => ({
      links: links.map((link) => (link.name === 'routed.4097' ? { ...link, group: 0 } : link)),
    }));
    const { operations, problems } = plan(wanted(), actual);
    expect(problems).toMatchObject([
      { subject: { kind: 'bridge', id: NET }, message: expect.stringContaining('routed.4097 is there and not of our') },
    ]);
    expect(operations.filter(({ kind }) => kind.includes('link') || kind.includes('vxlan'))).toEqual([]);
  });
});
