import { describe, expect, test } from 'vitest';
import { macOf } from '../../lib/ip.js';
import { nftBalancer } from '../balancer/nft.js';
import { blueprint } from '../blueprint/blueprint.js';
import type { Facts } from '../blueprint/facts.js';
import type { Blueprint, InterfaceBlueprint } from '../blueprint/model.js';
import type { Link } from '../kernel/rtnetlink.js';
import { INGRESS_NAMESPACE, LINK_GROUP, NODE_NAMESPACE } from '../names.js';
import { keyOf, ruleDigest } from '../nft/table.js';
import type { DesiredState, Sandbox } from '../state.js';
import type { ActualNamespace, ActualState } from './actual.js';
import { plan } from './plan.js';

const NET = 'network1000000000000000000';
const OVERLAY = '1-network100';
const TASK = 'task000000000000000000001';
const endpoint = (host: number) => ({ overlayId: NET, address: `10.0.0.${host}`, mac: macOf(`10.0.0.${host}`) });

const sandbox: Sandbox = {
  id: TASK,
  endpoints: [endpoint(11)],
  gateway: true,
  virtualServices: [{ address: '10.0.0.200', backends: [{ address: '10.0.0.11', weight: 1 }] }],
  ingress: { subnet: '10.0.0.0/24', overlayId: NET },
  hostPorts: [{ protocol: 'tcp', hostAddress: '', published: 8888, target: 80 }],
};
const desired: DesiredState = {
  underlay: { address: '192.0.2.1', vxlanPort: 4789 },
  gatewayBridge: { address: '172.18.0.1/16' },
  overlays: [
    {
      id: NET,
      vni: 4096,
      gateways: ['10.0.0.1/24'],
      mtu: 0,
      remotes: [{ address: '10.0.0.12', mac: macOf('10.0.0.12'), vtep: '192.0.2.2' }],
    },
  ],
  sandboxes: [sandbox],
  ingress: {
    overlayId: NET,
    address: '10.0.0.2/24',
    mac: macOf('10.0.0.2'),
    services: [
      {
        protocol: 'tcp',
        published: 8080,
        target: 80,
        hostAddress: '',
        backends: [
          { address: '10.0.0.11', weight: 1 },
          { address: '10.0.0.12', weight: 1 },
        ],
      },
    ],
  },
};
const facts: Facts = {
  underlayMtu: 1500,
  bridgeNetfilter: false,
  clientAddress: 'kept',
  gatewayAddresses: new Map(),
  marks: new Map(),
};
const wanted = (state: DesiredState = desired): Blueprint => blueprint(state, facts, nftBalancer);

/** What the kernel shows when a blueprint has been made: every link gets an index of its own. */
function made(of: Blueprint): ActualState {
  const spaces = of.namespaces ?? [];
  let index = 1;
  const indexes = new Map<string, number>();
  const number = (namespace: string, name: string): number => {
    const key = `${namespace}/${name}`;
    const value = indexes.get(key) ?? ++index;
    indexes.set(key, value);
    return value;
  };
  const link = (name: string, at: number, more: Partial<Link>): Link => ({
    index: at,
    name,
    kind: undefined,
    mtu: 65_536,
    mac: '',
    up: true,
    running: true,
    master: undefined,
    peerIndex: undefined,
    peerNetnsId: undefined,
    group: LINK_GROUP,
    alias: '',
    bridgePort: undefined,
    vxlan: undefined,
    ...more,
  });
  const port = (owner: string, { name, mtu, port: p }: InterfaceBlueprint): Link =>
    link(p.name, number(p.namespace, p.name), {
      kind: 'veth',
      mtu,
      alias: p.alias,
      master: number(p.namespace, p.bridge),
      peerIndex: number(owner, name),
      bridgePort: { isolated: p.isolated, hairpin: false, learning: true, unicastFlood: true },
    });
  const space = (ns: (typeof spaces)[number]): ActualNamespace => {
    const at = (name: string) => number(ns.name, name);
    const { vxlan } = ns;
    return {
      links: [
        link('lo', 1, { group: 0 }),
        ...ns.bridges.map(({ name, mac, mtu }) => link(name, at(name), { kind: 'bridge', mac: mac ?? '', mtu })),
        ...(vxlan
          ? [
              link(vxlan.name, at(vxlan.name), {
                kind: 'vxlan',
                mtu: vxlan.mtu,
                master: at(vxlan.bridge),
                vxlan: { vni: vxlan.vni, port: vxlan.port, local: vxlan.local, learning: false, proxy: true },
              }),
            ]
          : []),
        ...ns.interfaces.map(({ name, mac, mtu, port: p }) =>
          link(name, at(name), { kind: 'veth', mac, mtu, peerIndex: number(p.namespace, p.name) }),
        ),
        ...spaces.flatMap((owner) =>
          owner.interfaces.filter(({ port: p }) => p.namespace === ns.name).map((item) => port(owner.name, item)),
        ),
      ],
      addresses: [
        ...ns.bridges.flatMap(({ name, addresses }) => addresses.map((cidr) => ({ name, cidr }))),
        ...ns.interfaces.map(({ name, address: cidr }) => ({ name, cidr })),
      ].map(({ name, cidr }) => ({
        index: at(name),
        family: 4,
        cidr,
        scope: 0,
        noPrefixRoute: false,
        tentative: false,
      })),
      routes: ns.routes.map(({ interface: name, ...route }) => ({
        ...route,
        index: at(name),
        family: 4,
        scope: 0,
        type: 1,
        protocol: 3,
        priority: 0,
        source: undefined,
      })),
      rules: ns.rules.map((rule) => ({
        ...rule,
        family: 4,
        source: undefined,
        destination: undefined,
        inputInterface: undefined,
      })),
      neighbours: [
        ...ns.neighbours.map(({ interface: name, address, mac }) => ({ name, address, mac })),
        ...(vxlan?.remotes ?? []).map(({ address, mac }) => ({ name: vxlan?.name ?? '', address, mac })),
      ].map(({ name, address, mac }) => ({ index: at(name), family: 4, address, mac, state: 0x80, permanent: true })),
      fdb: (vxlan?.remotes ?? []).flatMap(({ mac, vtep }) => {
        const entry = { index: at(vxlan?.name ?? ''), mac, vlan: undefined };
        return [
          { ...entry, vtep, master: undefined, permanent: true, static: false },
          { ...entry, vtep: undefined, master: at(vxlan?.bridge ?? ''), permanent: false, static: true },
        ];
      }),
      sysctls: new Map(ns.sysctls.filter(({ optional }) => !optional).map(({ key, value }) => [key, value])),
      tables: new Map(
        ns.tables.map((table) => [
          keyOf(table),
          {
            sets: new Map(table.sets.map(({ name, key, value, elements }) => [name, { key, value, elements }])),
            chains: new Map(
              table.chains.map(({ name, base, rules }) => [name, { base, rules: rules.map(ruleDigest) }]),
            ),
          },
        ]),
      ),
    };
  };
  return { namespaces: new Map(spaces.map((ns) => [ns.name, space(ns)])), staleFiles: [] };
}

type Change = (namespace: ActualNamespace) => Partial<ActualNamespace>;
function changed(name: string, change: Change, of: ActualState = made(wanted())): ActualState {
  const namespace = of.namespaces.get(name);
  if (!namespace) throw new TypeError(`no namespace ${name}`);
  return { ...of, namespaces: new Map([...of.namespaces, [name, { ...namespace, ...change(namespace) }]]) };
}
const without = (name: string, of: ActualState = made(wanted())): ActualState => ({
  ...of,
  namespaces: new Map([...of.namespaces].filter(([key]) => key !== name)),
});
const kinds = (actual: ActualState, of = wanted()) =>
  plan(of, actual).operations.map(({ kind, namespace }) => `${namespace || 'node'} ${kind}`);
const dropLink =
  (name: string): Change =>
  ({ links }) => ({ links: links.filter((link) => link.name !== name) });
const changeLink =
  (name: string, change: Partial<Link>): Change =>
  ({ links }) => ({ links: links.map((link) => (link.name === name ? { ...link, ...change } : link)) });
const portOf = (namespace: string, name: string): string =>
  wanted()
    .namespaces?.find((ns) => ns.name === namespace)
    ?.interfaces.find((item) => item.name === name)?.port.name ?? '';

describe('plan', () => {
  test('nothing to do when the kernel shows all', () => {
    expect(plan(wanted(), made(wanted()))).toEqual({ operations: [], problems: [] });
  });

  test('on an empty machine everything is made, each thing after what it needs', () => {
    const bare: ActualNamespace = {
      links: [],
      addresses: [],
      routes: [],
      rules: [],
      neighbours: [],
      fdb: [],
      sysctls: new Map(),
      tables: new Map(),
    };
    expect(kinds({ namespaces: new Map([[NODE_NAMESPACE, bare]]), staleFiles: [] })).toMatchInlineSnapshot(`
      [
        "node set-sysctl",
        "node create-bridge",
        "node set-sysctl",
        "node add-address",
        "node run-nft",
        "1-network100 create-namespace",
        "1-network100 raise-loopback",
        "1-network100 set-sysctl",
        "1-network100 set-sysctl",
        "1-network100 set-sysctl",
        "1-network100 create-bridge",
        "1-network100 create-vxlan",
        "1-network100 add-remotes",
        "1-network100 add-address",
        "ingress_sbox create-namespace",
        "ingress_sbox raise-loopback",
        "ingress_sbox set-sysctl",
        "ingress_sbox set-sysctl",
        "ingress_sbox set-sysctl",
        "ingress_sbox create-interface",
        "ingress_sbox create-interface",
        "ingress_sbox add-address",
        "ingress_sbox add-address",
        "ingress_sbox set-route",
        "ingress_sbox run-nft",
        "task000000000000000000001 create-namespace",
        "task000000000000000000001 raise-loopback",
        "task000000000000000000001 set-sysctl",
        "task000000000000000000001 set-sysctl",
        "task000000000000000000001 set-sysctl",
        "task000000000000000000001 set-sysctl",
        "task000000000000000000001 create-interface",
        "task000000000000000000001 create-interface",
        "task000000000000000000001 add-address",
        "task000000000000000000001 add-address",
        "task000000000000000000001 set-neighbour",
        "task000000000000000000001 set-route",
        "task000000000000000000001 set-route",
        "task000000000000000000001 add-rule",
        "task000000000000000000001 run-nft",
        "task000000000000000000001 run-nft",
      ]
    `);
  });

  test.each<[string, string, Change, readonly string[]]>([
    [
      'a sysctl',
      TASK,
      ({ sysctls }) => ({ sysctls: new Map([...sysctls, ['net.ipv4.tcp_early_demux', '1']]) }),
      [`${TASK} set-sysctl`],
    ],
    ['an address', TASK, () => ({ addresses: [] }), [`${TASK} add-address`, `${TASK} add-address`]],
    [
      'a bridge’s second address',
      OVERLAY,
      ({ addresses }) => ({ addresses: [...addresses, ...addresses.map((a) => ({ ...a, cidr: '10.9.0.1/24' }))] }),
      [`${OVERLAY} remove-address`],
    ],
    ['routes', TASK, () => ({ routes: [] }), [`${TASK} set-route`, `${TASK} set-route`]],
    [
      'the path MTU',
      TASK,
      ({ routes }) => ({ routes: routes.map((r) => ({ ...r, mtu: undefined })) }),
      [`${TASK} set-route`],
    ],
    ['the rule', TASK, () => ({ rules: [] }), [`${TASK} add-rule`]],
    ['the next hop', TASK, () => ({ neighbours: [] }), [`${TASK} set-neighbour`]],
    ['a forwarding entry', OVERLAY, ({ fdb }) => ({ fdb: fdb.slice(1) }), [`${OVERLAY} add-remotes`]],
    ['a neighbour', OVERLAY, () => ({ neighbours: [] }), [`${OVERLAY} add-remotes`]],
    [
      'a stale neighbour',
      OVERLAY,
      ({ neighbours }) => ({ neighbours: neighbours.flatMap((n) => [n, { ...n, address: '10.0.0.99' }]) }),
      [`${OVERLAY} remove-remotes`],
    ],
    ['a table', INGRESS_NAMESPACE, () => ({ tables: new Map() }), [`${INGRESS_NAMESPACE} run-nft`]],
    [
      'a table too many',
      NODE_NAMESPACE,
      ({ tables }) => ({ tables: new Map([...tables, ['bridge tsswarm', { sets: new Map(), chains: new Map() }]]) }),
      ['node run-nft'],
    ],
    ['a link set down', TASK, changeLink('eth0', { up: false }), [`${TASK} change-link`]],
    [
      'a port off its bridge',
      OVERLAY,
      changeLink(portOf(TASK, 'eth0'), { master: undefined }),
      [`${OVERLAY} change-link`],
    ],
    [
      'a port’s isolation',
      NODE_NAMESPACE,
      changeLink(portOf(TASK, 'eth1'), { bridgePort: undefined }),
      ['node change-link'],
    ],
    [
      'a leftover port',
      OVERLAY,
      ({ links }) => ({
        links: [...links, ...links.slice(-1).map((l) => ({ ...l, name: 've00000000000', alias: 'gone eth0' }))],
      }),
      [`${OVERLAY} remove-links`],
    ],
    ['the vxlan device', OVERLAY, dropLink('vxlan0'), [`${OVERLAY} create-vxlan`, `${OVERLAY} add-remotes`]],
    [
      'the vxlan device’s source',
      OVERLAY,
      changeLink('vxlan0', { vxlan: { vni: 4096, port: 4789, local: '192.0.2.9', learning: false, proxy: true } }),
      [`${OVERLAY} remove-links`, `${OVERLAY} create-vxlan`, `${OVERLAY} add-remotes`],
    ],
  ])('drift - %s', (_, namespace, change, operations) => {
    expect(kinds(changed(namespace, change))).toEqual(operations);
  });

  test('drift - a pair with one end gone is made anew with all that hangs on it', () => {
    expect(kinds(changed(TASK, dropLink('eth0')))).toEqual([
      `${OVERLAY} remove-links`,
      `${TASK} create-interface`,
      `${TASK} add-address`,
      `${TASK} set-neighbour`,
      `${TASK} set-route`,
      // Its netdev chains may have gone with the device.
      `${TASK} run-nft`,
    ]);
  });

  test('drift - a VXLAN port that left its bridge lost the bridge’s entries', () => {
    expect(kinds(changed(OVERLAY, changeLink('vxlan0', { master: undefined })))).toEqual([
      `${OVERLAY} change-link`,
      `${OVERLAY} add-remotes`,
    ]);
  });

  test('a namespace that is gone is made with its interfaces', () => {
    const operations = kinds(without(TASK));
    expect(operations).toContain(`${OVERLAY} remove-links`);
    expect(operations).toContain(`${TASK} create-namespace`);
    expect(operations.filter((text) => text === `${TASK} create-interface`)).toHaveLength(2);
  });

  test('a sandbox that is not wanted goes; its ports go with it', () => {
    const less = wanted({ ...desired, sandboxes: [] });
    expect(kinds(made(wanted()), less)).toEqual([
      `${TASK} remove-namespace`,
      // Its host port, and the connections to it.
      'node run-nft',
      'node forget-flows',
    ]);
  });

  test('an overlay’s device goes before its namespace, so that the VNI is free', () => {
    const less = wanted({ ...desired, sandboxes: [], overlays: [], ingress: undefined });
    const removal = plan(less, made(wanted())).operations.find(({ namespace }) => namespace === OVERLAY);
    expect(removal).toMatchObject({ kind: 'remove-namespace', vxlan: 'vxlan0' });
  });

  test('connections are cut when a backend is gone, not while it drains', () => {
    const backends = (weight: number | undefined): DesiredState => ({
      ...desired,
      ingress: desired.ingress && {
        ...desired.ingress,
        services: desired.ingress.services.map((service) => ({
          ...service,
          backends: service.backends.flatMap((b) =>
            b.address !== '10.0.0.12' ? [b] : weight === undefined ? [] : [{ ...b, weight }],
          ),
        })),
      },
    });
    expect(kinds(made(wanted()), wanted(backends(0)))).toEqual([`${INGRESS_NAMESPACE} run-nft`]);
    const { operations } = plan(wanted(backends(undefined)), made(wanted(backends(0))));
    expect(operations).toEqual([
      {
        subject: { kind: 'ingress', id: NET },
        namespace: INGRESS_NAMESPACE,
        kind: 'forget-flows',
        flows: [{ protocol: 'tcp', originalDestinationPort: 8080, replySource: '10.0.0.12' }],
        journal: [['delete element ip tsswarm flows { 6 . 8080 . 10.0.0.12 }']],
      },
    ]);
  });

  test('a foreign gateway bridge is named and nothing is put on it', () => {
    const { operations, problems } = plan(
      wanted(),
      changed(NODE_NAMESPACE, changeLink('swarm_gwbridge', { group: 0 })),
    );
    expect(problems.map(({ message }) => message)).toEqual([
      expect.stringContaining('swarm_gwbridge is there and not of our making'),
    ]);
    expect(operations).toEqual([]);
  });

  test('what is not well-formed is left as it is, and the rest goes on', () => {
    const broken = { ...sandbox, endpoints: [{ ...endpoint(11), address: '10.0.0.11; flush ruleset' }] };
    const of = wanted({ ...desired, sandboxes: [broken] });
    expect(of.problems).toEqual([
      { subject: { kind: 'sandbox', id: TASK }, message: 'endpoint "10.0.0.11; flush ruleset" is not an IPv4 address' },
    ]);
    expect(plan(of, made(wanted())).operations.filter(({ namespace }) => namespace === TASK)).toEqual([]);
    const nothing = wanted({ ...desired, underlay: { address: '', vxlanPort: 4789 } });
    expect(plan(nothing, made(wanted())).operations).toEqual([]);
  });
});
