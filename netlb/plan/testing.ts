/** A node in miniature for the tests of plan(): what is wanted, and what a kernel shows that has it. */
import { familyOf, formatCidr, macOf, parseCidr } from '../../lib/ip.js';
import { nftBalancer } from '../balancer/nft.js';
import { blueprint } from '../blueprint/blueprint.js';
import { ENCRYPTION_MARK, ICV_BITS } from '../blueprint/encryption.js';
import type { Facts } from '../blueprint/facts.js';
import type { Blueprint, InterfaceBlueprint, NamespaceBlueprint, RouteBlueprint } from '../blueprint/model.js';
import { ipvsServiceName } from '../kernel/ipvs.js';
import type { Link } from '../kernel/rtnetlink.js';
import { LINK_GROUP, NODE_NAMESPACE } from '../names.js';
import { keyOf, ruleDigest } from '../nft/table.js';
import type { DesiredState, Sandbox } from '../state.js';
import type { ActualNamespace, ActualState } from './actual.js';

export const NET = 'network1000000000000000000';
export const OVERLAY = '1-network100';
export const TASK = 'task000000000000000000001';
export const endpoint = (host: number) => ({
  networkId: NET,
  addresses: [`10.0.0.${host}`],
  mac: macOf(`10.0.0.${host}`),
});

export const sandbox: Sandbox = {
  id: TASK,
  endpoints: [endpoint(11)],
  gateway: true,
  virtualServices: [{ address: '10.0.0.200', backends: [{ address: '10.0.0.11', weight: 1 }] }],
  ingress: { subnets: ['10.0.0.0/24'], overlayId: NET, ports: [{ protocol: 'tcp', published: 8080, target: 80 }] },
  hostPorts: [{ protocol: 'tcp', hostAddress: '', published: 8888, target: 80 }],
  resolver: undefined,
};
export const desired: DesiredState = {
  underlay: { address: '192.0.2.1', vxlanPort: 4789 },
  gatewayBridge: { address: '172.18.0.1/16', address6: '' },
  overlays: [
    {
      id: NET,
      vni: 4096,
      gateways: ['10.0.0.1/24'],
      mtu: 0,
      remotes: [{ address: '10.0.0.12', mac: macOf('10.0.0.12'), vtep: '192.0.2.2' }],
    },
  ],
  bridges: [],
  routed: [],
  sandboxes: [sandbox],
  zones: [],
  ingress: {
    overlayId: NET,
    addresses: ['10.0.0.2/24'],
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
export const facts: Facts = {
  underlayMtu: 1500,
  underlayLink: { name: 'eth0', cidr: '192.0.2.1/24' },
  address6: undefined,
  bridgeNetfilter: new Set(),
  bridgeFilter: true,
  clientAddress: 'kept',
  gatewayAddresses: new Map(),
  gatewayInterfaces: new Map(),
  resolverPorts: new Map(),
  bridgeAddresses: new Map(),
  foreign: { links: new Map(), subnets: [] },
  routerLearners: [],
  firewalls: [],
  stateful: false,
  entries: new Map(),
  marks: new Map(),
  occupation: { listeners: [], held: new Map(), spared: new Set() },
  encryption: { missing: undefined, guarded: new Set(), worn: [] },
};
export const wanted = (state: DesiredState = desired): Blueprint => blueprint(state, facts, nftBalancer);

/** A namespace of which nothing is wanted. */
export const emptyNamespace = (name: string, subject: NamespaceBlueprint['subject']): NamespaceBlueprint => ({
  name,
  subject,
  sysctls: [],
  bridges: [],
  vxlans: [],
  interfaces: [],
  routes: [],
  rules: [],
  neighbours: [],
  tables: [],
});

const mainRules = ([4, 6] as const).map((family) => ({
  family,
  priority: 32_766,
  table: 254,
  fwmark: undefined,
  fwmask: undefined,
}));

/** What the kernel makes with addresses. */
const ownRoutes = ({ name, addresses }: { readonly name: string; readonly addresses: readonly string[] }) =>
  addresses.map((cidr): RouteBlueprint => {
    const destination = formatCidr(parseCidr(cidr));
    return { destination, via: undefined, interface: name, onlink: false, table: 254, mtu: undefined, protocol: 2 };
  });

const madeEncryption = (of: Blueprint['encryption']): ActualNamespace['encryption'] => ({
  associations: (of?.associations ?? []).map(({ groupKey: _, ...id }) => ({
    ...id,
    reqid: ENCRYPTION_MARK,
    icvBits: ICV_BITS,
    sent: 0,
    ordinary: true,
  })),
  policies: of?.policies ?? [],
});

/** What the kernel shows when a blueprint has been made: every link gets an index of its own. */
export function made(of: Blueprint): ActualState {
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
      bridgePort: { isolated: p.isolated, hairpin: p.hairpin, learning: true, unicastFlood: true },
    });
  const space = (ns: (typeof spaces)[number]): ActualNamespace => {
    const at = (name: string) => number(ns.name, name);
    return {
      links: [
        link('lo', 1, { group: 0 }),
        ...ns.bridges.map(({ name, mac, mtu }) => link(name, at(name), { kind: 'bridge', mac: mac ?? '', mtu })),
        ...ns.vxlans.map(({ name, mtu, mac, bridge, vni, port, local }) =>
          link(name, at(name), {
            kind: 'vxlan',
            mtu,
            mac: mac ?? '',
            master: bridge === undefined ? undefined : at(bridge),
            vxlan: { vni, port, local, learning: false, proxy: bridge !== undefined },
          }),
        ),
        ...ns.interfaces.map(({ name, mac, mtu, port: p }) =>
          link(name, at(name), { kind: 'veth', mac, mtu, peerIndex: number(p.namespace, p.name) }),
        ),
        ...spaces.flatMap((owner) =>
          owner.interfaces.filter(({ port: p }) => p.namespace === ns.name).map((item) => port(owner.name, item)),
        ),
      ],
      addresses: [
        ...[...ns.vxlans, ...ns.bridges].flatMap(({ name, addresses }) => addresses.map((cidr) => ({ name, cidr }))),
        ...ns.interfaces.flatMap(({ name, addresses }) => addresses.map((cidr) => ({ name, cidr }))),
      ].map(({ name, cidr }) => ({
        index: at(name),
        family: familyOf(cidr),
        cidr,
        scope: 0,
        noPrefixRoute: false,
        tentative: false,
      })),
      routes: [...ns.routes, ...[...ns.interfaces, ...ns.bridges].flatMap(ownRoutes)].map(
        ({ interface: name, ...route }) => ({
          ...route,
          index: at(name),
          family: familyOf(route.destination),
          scope: 0,
          type: 1,
          protocol: route.protocol ?? 3,
          priority: 0,
          source: undefined,
        }),
      ),
      // With the kernel's own ones to the main table.
      rules: [...ns.rules, ...mainRules].map((rule) => ({
        ...rule,
        source: undefined,
        destination: undefined,
        inputInterface: undefined,
      })),
      neighbours: ns.neighbours.map(({ interface: name, address, mac }) => ({
        index: at(name),
        family: familyOf(address),
        address,
        mac,
        state: 0x80,
        permanent: true,
      })),
      tunnels: new Map(
        ns.vxlans.map(({ name, bridge, remotes }) => [
          at(name),
          {
            neighbours: new Map(remotes.map(({ address, mac }) => [address, mac])),
            // Of endpoints with one MAC the first.
            forwards: new Map(remotes.map(({ mac, vtep }): [string, string] => [mac, vtep]).reverse()),
            ports: new Set(bridge === undefined ? [] : remotes.map(({ mac }) => mac)),
          },
        ]),
      ),
      sysctls: new Map(ns.sysctls.filter(({ optional }) => !optional).map(({ key, value }) => [key, value])),
      firewalls: [],
      stateful: false,
      ipvs: ns.ipvs && {
        timeouts: ns.ipvs.timeouts,
        services: new Map(ns.ipvs.services.map((service) => [ipvsServiceName(service.id), service])),
      },
      encryption: ns.name === NODE_NAMESPACE ? madeEncryption(of.encryption) : { associations: [], policies: [] },
      tables: new Map(
        ns.tables.map((table) => [
          keyOf(table),
          {
            sets: new Map(
              table.sets.map(({ name, key, value, elements, counted }) => [
                name,
                { key, value, elements, ...(counted ? { counted } : {}) },
              ]),
            ),
            chains: new Map(
              table.chains.map(({ name, base, rules }) => [name, { base, rules: rules.map(ruleDigest) }]),
            ),
          },
        ]),
      ),
    };
  };
  return { namespaces: new Map(spaces.map((ns) => [ns.name, space(ns)])), nameless: new Set(), staleFiles: [] };
}
