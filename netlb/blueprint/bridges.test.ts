import { describe, expect, test } from 'vitest';
import { nftBalancer } from '../balancer/nft.js';
import { facts as swarmFacts } from '../plan/testing.js';
import type { DesiredState, LocalBridge, Sandbox } from '../state.js';
import { blueprint } from './blueprint.js';
import type { Facts } from './facts.js';

/** Of a node in no swarm. */
const facts: Facts = { ...swarmFacts, underlayMtu: undefined, underlayLink: undefined };
const tsswarm0: LocalBridge = {
  id: 'bridge',
  name: 'tsswarm0',
  gateways: ['172.17.0.1/16'],
  mtu: 0,
  internal: false,
  interContainer: true,
  masquerade: true,
};
const endpoint = { networkId: 'bridge', addresses: ['172.17.0.2'], mac: '02:42:ac:11:00:02' };
const container: Sandbox = {
  id: 'c1',
  endpoints: [endpoint],
  gateway: false,
  virtualServices: [],
  ingress: undefined,
  hostPorts: [],
  resolver: undefined,
};
const state = (bridges: readonly LocalBridge[], sandboxes: readonly Sandbox[] = []): DesiredState => ({
  underlay: undefined,
  gatewayBridge: undefined,
  overlays: [],
  bridges,
  routed: [],
  sandboxes,
  ingress: undefined,
  zones: [],
});
const make = (desired: DesiredState, more: Partial<Facts> = {}) =>
  blueprint(desired, { ...facts, ...more }, nftBalancer);
const messages = (...args: Parameters<typeof make>) => make(...args).problems.map(({ message }) => message);

describe('a bridge that cannot be - a problem of its own, in words', () => {
  test.each<[string, Partial<LocalBridge>, string]>([
    ['a name too long', { name: 'a-name-of-sixteen' }, '"a-name-of-sixteen" cannot be the name of a bridge'],
    ['a name with rules in it', { name: 'x" drop' }, '"x" drop" cannot be the name of a bridge'],
    ['the gateway bridge’s name', { name: 'swarm_gwbridge' }, '"swarm_gwbridge" cannot be the name of a bridge'],
    ['no subnet', { gateways: [] }, 'bridge tsswarm0 has no subnet'],
    ['a gateway without a prefix', { gateways: ['172.17.0.1'] }, '"172.17.0.1" is not a subnet'],
    ['an MTU', { mtu: 42 }, 'MTU 42 is not one that IPv4 can use'],
    ['an MTU for IPv6', { mtu: 1000, gateways: ['fd00::1/64'] }, 'MTU 1000 is not one that IPv6 can use'],
  ])('%s', (_, more, message) => {
    const bridge = { ...tsswarm0, ...more };
    const made = make(state([bridge]));
    expect(made.problems).toEqual([{ subject: { kind: 'bridge', id: 'bridge' }, message }]);
    // One that is there is left as it is.
    expect(made.spared).toContain(bridge.name);
  });
});

describe('a sandbox', () => {
  test.each<[string, Partial<Sandbox>, string]>([
    [
      'on a network that is not here',
      { endpoints: [{ ...endpoint, networkId: 'other' }] },
      'eth0 belongs to network other, which this node does not have',
    ],
    [
      'with an address of another subnet',
      { endpoints: [{ ...endpoint, addresses: ['172.18.0.2'] }] },
      'address 172.18.0.2 of eth0 is in no subnet of network bridge',
    ],
    [
      'with two interfaces of one name',
      { endpoints: [{ ...endpoint, interface: 'eth1' }, endpoint] },
      'two endpoints of sandbox c1 want to be eth1',
    ],
    [
      'with an interface of another name',
      { endpoints: [{ ...endpoint, interface: 'lo' }] },
      '"lo" cannot be an interface of a sandbox',
    ],
    ['with a gateway in no swarm', { gateway: true }, 'this node is in no swarm and has no gateway bridge'],
    [
      'with a port of a family that it lacks',
      { hostPorts: [{ protocol: 'tcp', hostAddress: '::', published: 80, target: 80 }] },
      'port 80/tcp of ::: the sandbox has no IPv6 address to lead to',
    ],
  ])('%s - is told', (_, more, message) => {
    expect(make(state([tsswarm0], [{ ...container, ...more }])).problems).toEqual([
      { subject: { kind: 'sandbox', id: 'c1' }, message },
    ]);
  });
});

describe('a node in no swarm', () => {
  test('has nothing of ours without bridges, and no problem', () => {
    const { namespaces, problems } = make(state([]));
    expect(problems).toEqual([]);
    expect(namespaces).toMatchObject([{ name: '', bridges: [], sysctls: [], tables: [] }]);
  });

  test('has no overlay and no ingress network', () => {
    const overlay = { id: 'net', vni: 4096, gateways: ['10.0.0.1/24'], mtu: 0, remotes: [] };
    const ingress = { overlayId: 'net', addresses: ['10.0.0.2/24'], mac: '02:42:0a:00:00:02', services: [] };
    expect(messages({ ...state([]), overlays: [overlay], ingress })).toEqual([
      'overlay net: this node is in no swarm',
      'ingress network net: this node is in no swarm',
    ]);
  });
});

describe('subnets', () => {
  const foreign = (cidr: string, what: string) => ({ foreign: { links: new Map(), subnets: [{ cidr, what }] } });

  test('a part of one that is taken refuses the bridge', () => {
    expect(messages(state([tsswarm0]), foreign('172.17.200.0/24', 'the route 172.17.200.0/24 dev tun0'))).toEqual([
      'the subnet 172.17.0.0/16 of tsswarm0 overlaps the route 172.17.200.0/24 dev tun0',
    ]);
    expect(messages(state([tsswarm0]), foreign('172.18.0.0/16', 'the route 172.18.0.0/16 dev tun0'))).toEqual([]);
  });

  test('a bridge that is there stays', () => {
    const late = {
      ...foreign('172.16.0.0/12', 'the route 172.16.0.0/12 dev tun0'),
      bridgeAddresses: new Map([['tsswarm0', ['172.17.0.1/16']]]),
    };
    const { problems, namespaces } = make(state([tsswarm0], [container]), late);
    expect(problems).toMatchObject([{ subject: { kind: 'bridge' }, message: expect.stringContaining('came later') }]);
    expect(namespaces?.map(({ name }) => name)).toEqual(['', 'c1']);
  });

  test('two of ours do not share one', () => {
    const twin = { ...tsswarm0, id: 'twin', name: 'br-twin', gateways: ['172.17.4.1/24'] };
    expect(messages(state([tsswarm0, twin]))).toEqual([
      'the subnet 172.17.4.0/24 of br-twin overlaps the network of tsswarm0',
    ]);
  });
});

describe('host ports', () => {
  const port = { protocol: 'tcp', hostAddress: '', published: 8080, target: 80 } as const;
  const c2: Sandbox = { ...container, id: 'c2', endpoints: [{ ...endpoint, addresses: ['172.17.0.3'] }] };
  const led = (desired: DesiredState, held: readonly (readonly [string, string])[] = []) => {
    const made = make(desired, { occupation: { listeners: [], held: new Map(held), spared: new Set() } });
    const sets = made.namespaces?.[0]?.tables[0]?.sets;
    const elements = ['host_ports', 'host_ports_at'].flatMap(
      (n) => sets?.find(({ name }) => name === n)?.elements ?? [],
    );
    return { elements, problems: made.problems.map(({ subject, message }) => `${subject.id}: ${message}`) };
  };
  const both = state(
    [tsswarm0],
    [
      { ...container, hostPorts: [{ ...port, hostAddress: '192.0.2.1' }] },
      { ...c2, hostPorts: [port] },
    ],
  );

  test('the first in the list has a port', () => {
    expect(led(both)).toEqual({
      elements: ['192.0.2.1 . 6 . 8080 : 172.17.0.2 . 80'],
      problems: ['c2: port 8080/tcp is published by container c1 already'],
    });
  });

  test('who has it already keeps it', () => {
    expect(led(both, [['ip 6 . 8080', '172.17.0.3 . 80']])).toEqual({
      elements: ['6 . 8080 : 172.17.0.3 . 80'],
      problems: ['c1: port 8080/tcp of 192.0.2.1 is published by container c2 already'],
    });
  });

  test('a service of the swarm gets a port that no container has', () => {
    const swarm: DesiredState = {
      ...both,
      underlay: { address: '192.0.2.1', vxlanPort: 4789 },
      gatewayBridge: { address: '172.18.0.1/16', address6: '' },
      overlays: [{ id: 'net', vni: 4096, gateways: ['10.0.0.1/24'], mtu: 0, remotes: [] }],
      sandboxes: both.sandboxes.slice(1),
      ingress: {
        overlayId: 'net',
        addresses: ['10.0.0.2/24'],
        mac: '02:42:0a:00:00:02',
        services: [{ ...port, backends: [] }],
      },
    };
    const problems = (held: readonly (readonly [string, string])[]) =>
      make(swarm, { underlayMtu: 1500, occupation: { listeners: [], held: new Map(held), spared: new Set() } })
        .problems;
    expect(problems([])).toEqual([
      {
        subject: { kind: 'sandbox', id: 'c2' },
        message: 'port 8080/tcp is published by a service of the swarm already',
        port: { protocol: 'tcp', published: 8080, hostAddress: '0.0.0.0' },
      },
    ]);
    expect(problems([['ip 6 . 8080', '172.17.0.3 . 80']])).toEqual([
      {
        subject: { kind: 'ingress', id: 'net' },
        message: 'port 8080/tcp is published by container c2 already',
        port: { protocol: 'tcp', published: 8080, hostAddress: '0.0.0.0' },
      },
    ]);
  });

  test('addresses that differ do not conflict', () => {
    const apart = state(
      [tsswarm0],
      [
        { ...container, hostPorts: [{ ...port, hostAddress: '192.0.2.1' }] },
        { ...c2, hostPorts: [{ ...port, hostAddress: '127.0.0.1' }] },
      ],
    );
    expect(led(apart).problems).toEqual([]);
  });

  test('all IPv4 addresses can be written as 0.0.0.0', () => {
    const anywhere = state([tsswarm0], [{ ...container, hostPorts: [{ ...port, hostAddress: '0.0.0.0' }] }]);
    expect(led(anywhere).elements).toEqual(['6 . 8080 : 172.17.0.2 . 80']);
  });

  test('an internal network publishes nothing', () => {
    const inside = state([{ ...tsswarm0, internal: true }], [{ ...container, hostPorts: [port] }]);
    expect(led(inside)).toEqual({ elements: [], problems: [] });
  });
});
