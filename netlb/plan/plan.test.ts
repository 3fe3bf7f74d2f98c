import { describe, expect, test } from 'vitest';
import { macOf } from '../../lib/ip.js';
import type { Link } from '../kernel/rtnetlink.js';
import { INGRESS_NAMESPACE, NODE_NAMESPACE } from '../names.js';
import type { DesiredState } from '../state.js';
import { type ActualNamespace, type ActualState, NOTHING_ACTUAL } from './actual.js';
import { plan } from './plan.js';
import { desired, endpoint, made, NET, OVERLAY, sandbox, TASK, wanted } from './testing.js';
import type { ActualTunnel } from './tunnels.js';

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
const tunnels =
  (change: (tunnel: ActualTunnel) => ActualTunnel): Change =>
  (namespace) => ({ tunnels: new Map([...namespace.tunnels].map(([index, tunnel]) => [index, change(tunnel)])) });
const portOf = (namespace: string, name: string): string =>
  wanted()
    .namespaces?.find((ns) => ns.name === namespace)
    ?.interfaces.find((item) => item.name === name)?.port.name ?? '';

describe('plan', () => {
  test('nothing to do when the kernel shows all', () => {
    expect(plan(wanted(), made(wanted()))).toEqual({ operations: [], problems: [] });
  });

  test('a namespace whose file was removed gets it back, and nothing else is done in it', () => {
    const actual = { ...made(wanted()), nameless: new Set(['ingress_sbox']) };
    expect(kinds(actual)).toEqual(['ingress_sbox name-namespace']);
  });

  test('on an empty machine everything is made, each thing after what it needs', () => {
    expect(
      kinds({ namespaces: new Map([[NODE_NAMESPACE, NOTHING_ACTUAL]]), nameless: new Set(), staleFiles: [] }),
    ).toMatchInlineSnapshot(`
      [
        "node set-sysctl",
        "node create-bridge",
        "node set-sysctl",
        "node set-sysctl",
        "node add-address",
        "node run-nft",
        "1-network100 create-namespace",
        "1-network100 raise-loopback",
        "1-network100 set-sysctl",
        "1-network100 set-sysctl",
        "1-network100 set-sysctl",
        "1-network100 set-sysctl",
        "1-network100 create-bridge",
        "1-network100 create-vxlan",
        "1-network100 add-remotes",
        "1-network100 add-address",
        "1-network100 run-nft",
        "ingress_sbox create-namespace",
        "ingress_sbox raise-loopback",
        "ingress_sbox set-sysctl",
        "ingress_sbox set-sysctl",
        "ingress_sbox set-sysctl",
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
        "task000000000000000000001 set-sysctl",
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
    // With the kernel's own ones, to the neighbours on each link.
    ['routes', TASK, () => ({ routes: [] }), Array(4).fill(`${TASK} set-route`)],
    [
      'the kernel’s own routes',
      TASK,
      ({ routes }) => ({ routes: routes.filter(({ protocol }) => protocol !== 2) }),
      Array(2).fill(`${TASK} set-route`),
    ],
    [
      'the path MTU',
      TASK,
      ({ routes }) => ({ routes: routes.map((r) => ({ ...r, mtu: undefined })) }),
      [`${TASK} set-route`],
    ],
    [
      'the kernel’s own rules',
      TASK,
      ({ rules }) => ({
        rules: rules.map((rule) => (rule.table === 254 ? { ...rule, priority: 0, table: 255 } : rule)),
      }),
      [`${TASK} add-rule`, `${TASK} add-rule`],
    ],
    ['the rule', TASK, () => ({ rules: [] }), [`${TASK} add-rule`]],
    ['the next hop', TASK, () => ({ neighbours: [] }), [`${TASK} set-neighbour`]],
    ['a forwarding entry', OVERLAY, tunnels((t) => ({ ...t, forwards: new Map() })), [`${OVERLAY} add-remotes`]],
    ['a bridge’s entry', OVERLAY, tunnels((t) => ({ ...t, ports: new Set() })), [`${OVERLAY} add-remotes`]],
    ['a neighbour', OVERLAY, tunnels((t) => ({ ...t, neighbours: new Map() })), [`${OVERLAY} add-remotes`]],
    [
      'a stale neighbour',
      OVERLAY,
      tunnels((t) => ({ ...t, neighbours: new Map([...t.neighbours, ['10.0.0.99', '02:42:0a:00:00:63']]) })),
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

  test('an endpoint of both families is a neighbour of each, and one way for its frames', () => {
    const mac = macOf('10.0.0.12');
    const remotes = ['10.0.0.12', 'FD00:0::12'].map((address) => ({ address, mac, vtep: '192.0.2.2' }));
    const of = wanted({ ...desired, overlays: desired.overlays.map((overlay) => ({ ...overlay, remotes })) });
    expect(plan(of, made(of)).operations).toEqual([]);
    const fresh = plan(
      of,
      changed(OVERLAY, () => ({ tunnels: new Map() }), made(of)),
    );
    expect(fresh.operations).toMatchObject([
      {
        kind: 'add-remotes',
        remotes: [
          { neighbour: { address: '10.0.0.12', mac }, forward: { mac, vtep: '192.0.2.2' }, port: { mac } },
          { neighbour: { address: 'fd00::12', mac } },
        ],
      },
    ]);
    const [operation] = plan(wanted(), made(of)).operations;
    expect(operation).toMatchObject({ kind: 'remove-remotes', remotes: [{ neighbour: { address: 'fd00::12', mac } }] });
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
      expect.objectContaining({
        kind: 'run-nft',
        commands: ['received', 'sent'].map((name) => `delete element ip tsswarm ${name} { 256 . 10.0.0.12 }`),
      }),
      {
        subject: { kind: 'ingress', id: NET },
        namespace: INGRESS_NAMESPACE,
        kind: 'forget-flows',
        flows: [],
        ways: [
          {
            flow: { protocol: 'tcp', originalDestinationPort: 8080, replySource: '10.0.0.12' },
            // Nobody has gone there when this has counted nothing.
            counter: {
              family: 'ip',
              set: 'flows',
              key: 'inet_proto . inet_service . ipv4_addr',
              element: '6 . 8080 . 10.0.0.12',
            },
          },
        ],
        journal: [['delete element ip tsswarm flows { 6 . 8080 . 10.0.0.12 }']],
        leaves: made(wanted(backends(undefined))).namespaces.get(INGRESS_NAMESPACE)?.tables,
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
    const broken = { ...sandbox, endpoints: [{ ...endpoint(11), addresses: ['10.0.0.11; flush ruleset'] }] };
    const of = wanted({ ...desired, sandboxes: [broken] });
    expect(of.problems).toEqual([
      { subject: { kind: 'sandbox', id: TASK }, message: 'endpoint "10.0.0.11; flush ruleset" is not an IP address' },
    ]);
    expect(plan(of, made(wanted())).operations.filter(({ namespace }) => namespace === TASK)).toEqual([]);
    const nothing = wanted({ ...desired, underlay: { address: '', vxlanPort: 4789 } });
    expect(plan(nothing, made(wanted())).operations).toEqual([]);
  });
});
