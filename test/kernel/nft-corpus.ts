/** All the rules and sets that a node can have: its tables in states that have a bit of everything. */
import { macOf } from '../../lib/ip.js';
import { SCHEDULERS } from '../../lib/schedulers.js';
import { Secret } from '../../lib/secret.js';
import type { Balancer } from '../../netlb/balancer/balancer.js';
import { ipvsBalancer } from '../../netlb/balancer/ipvs.js';
import { nftBalancer } from '../../netlb/balancer/nft.js';
import { blueprint } from '../../netlb/blueprint/blueprint.js';
import type { Facts } from '../../netlb/blueprint/facts.js';
import type { Table } from '../../netlb/nft/table.js';
import { desired, facts, NET, sandbox, TASK } from '../../netlb/plan/testing.js';
import type { DesiredState, LocalBridge, PublishedPort, RoutedNetwork, TransportProtocol } from '../../netlb/state.js';

const PROTOCOLS: readonly TransportProtocol[] = ['tcp', 'udp', 'sctp'];
const HOST_ADDRESSES = ['', '0.0.0.0', '192.0.2.1', '2001:db8::1'];

/** Every way of spreading, on every kind of address, with and without affinity; backends of unlike weights, and none. */
const services: readonly PublishedPort[] = SCHEDULERS.flatMap((scheduler, i) =>
  HOST_ADDRESSES.flatMap((hostAddress, j) =>
    [0, 600].map((affinity, k): PublishedPort => {
      const protocol = PROTOCOLS[(i + j + k) % 3] ?? 'tcp';
      return {
        // Of those that have one port some enter by another.
        ...{ protocol, hostAddress, published: 8000 + 10 * i + k, target: 80, scheduler, affinity },
        backends: ['10.0.0.11', 'fd00:6::11', '10.0.0.12', 'fd00:6::12', '10.0.0.13'].map((address, m) => ({
          address,
          weight: m < 2 ? 1 : (j + k) % 3,
        })),
      };
    }),
  ),
);
/** A few, of which two have one port. */
const some = services.filter(({ scheduler }) => scheduler === 'rr');

const bridge: LocalBridge = {
  ...{ id: 'bridge', name: 'tsswarm0', gateways: ['172.17.0.1/16'], mtu: 0 },
  ...{ internal: false, interContainer: true, masquerade: true },
};
const bridges: readonly LocalBridge[] = [
  bridge,
  { ...bridge, id: 'both', name: 'br-both', gateways: ['172.19.0.1/16', '172.20.0.1/20', 'fd00:19::1/64'] },
  { ...bridge, id: 'internal', name: 'br-internal', gateways: ['172.21.0.1/16', 'fd00:21::1/64'], internal: true },
  { ...bridge, id: 'silent', name: 'br-silent', gateways: ['172.22.0.1/16'], interContainer: false },
  { ...bridge, id: 'plain', name: 'br-plain', gateways: ['172.23.0.1/19'], masquerade: false },
];

const routed = (id: string, backend: RoutedNetwork['backend'], vni: number, net: string): RoutedNetwork => ({
  ...{ id: `${id}0000000000000000000000`, backend, vni, subnet: `${net}.0.0/16`, gateways: [`${net}.83.1/24`] },
  ...{ mtu: 0, internal: false },
  peers: [2, 3].map((node) => ({
    ...{ subnet: `${net}.${node}.0/24`, address: `192.0.2.${node}`, mac: macOf(`${net}.${node}.0`) },
  })),
});

/** @param prefix of the ingress network, whose first address is 10.0.0.1 */
function full(prefix: number, published: readonly PublishedPort[] = some): DesiredState {
  const [overlay] = desired.overlays;
  if (!overlay) throw new TypeError('the node in miniature has no overlay');
  const remote = { address: '10.0.0.3', mac: macOf('10.0.0.3'), vtep: '192.0.2.3', sandbox: true };
  const gateways = [`10.0.0.1/${prefix}`, 'fd00:6::1/64'];
  return {
    ...desired,
    gatewayBridge: { address: '172.18.0.1/16', address6: 'fd00:7473::1/64' },
    overlays: [
      { ...overlay, gateways, remotes: [...overlay.remotes, remote] },
      { ...overlay, id: 'secret0000000000000000000', vni: 4097, gateways: ['10.1.0.1/24'], encrypted: true },
      { ...overlay, id: 'six0000000000000000000000', vni: 0xfffffe, gateways: ['fd00:9::1/64', 'fd00:8::1/64'] },
      { ...overlay, id: 'four000000000000000000000', vni: 5000, gateways: ['10.2.0.1/25', '10.3.0.1/30'] },
    ],
    encryption: { version: 1, keys: [{ time: 1, secret: new Secret(Buffer.alloc(32, 1)) }], sending: 1 },
    bridges,
    routed: [routed('vx', 'vxlan', 4100, '10.5'), routed('gw', 'host-gw', 0, '10.6')],
    sandboxes: [
      {
        ...sandbox,
        endpoints: sandbox.endpoints.map((one) => ({ ...one, addresses: [...one.addresses, 'fd00:6::11'] })),
        ingress: {
          overlayId: NET,
          subnets: [`10.0.0.0/${prefix}`, 'fd00:6::/64'],
          ports: PROTOCOLS.flatMap((protocol) => [80, 443].map((published) => ({ protocol, published, target: 8080 }))),
        },
        virtualServices: [
          { address: '10.0.0.200', backends: [1, 2, 0].map((weight, i) => ({ address: `10.0.0.${20 + i}`, weight })) },
          { address: '10.0.0.201', backends: [] },
          { address: 'fd00:6::200', backends: [1, 3].map((weight, i) => ({ address: `fd00:6::${20 + i}`, weight })) },
        ],
        hostPorts: PROTOCOLS.flatMap((protocol) =>
          HOST_ADDRESSES.map((hostAddress, i) => ({ protocol, hostAddress, published: 9000 + i, target: 80 })),
        ),
        resolver: { zones: [], nameservers: [], forward: true },
      },
      // In no ingress network: nothing but virtual addresses.
      { ...sandbox, id: 'plain00000000000000000001', endpoints: [], ingress: undefined, gateway: true, hostPorts: [] },
    ],
    ingress: {
      overlayId: NET,
      addresses: [`10.0.0.2/${prefix}`, 'fd00:6::2/64'],
      mac: macOf('10.0.0.2'),
      services: published,
    },
  };
}

const machine: Facts = {
  ...facts,
  address6: '2001:db8::1',
  resolverPorts: new Map([[TASK, { udp: 40_001, tcp: 40_002 }]]),
};
/** A swarm's node without IPv6. */
const only4: DesiredState = { ...desired, gatewayBridge: { address: '172.18.0.1/16', address6: '' } };

/** In no swarm: local bridges alone. */
const alone: DesiredState = {
  ...desired,
  ...{ underlay: undefined, gatewayBridge: undefined, overlays: [], ingress: undefined, sandboxes: [], bridges },
};

const nodes: readonly (readonly [DesiredState, Facts, Balancer])[] = [
  [full(24, services), machine, nftBalancer],
  [full(24), machine, ipvsBalancer(new Set(SCHEDULERS))],
  [full(21), { ...machine, clientAddress: 'hidden', bridgeNetfilter: new Set([4, 6]) }, nftBalancer],
  [full(16), { ...machine, address6: undefined, bridgeNetfilter: new Set([6]) }, nftBalancer],
  [full(9), { ...machine, bridgeNetfilter: new Set([4]) }, nftBalancer],
  [only4, facts, nftBalancer],
  [alone, facts, nftBalancer],
  [{ ...alone, bridges: [bridge] }, facts, nftBalancer],
];

/** Each once, with where it comes from, in words. */
export function corpus(): { readonly name: string; readonly table: Table }[] {
  const tables = new Map<string, { readonly name: string; readonly table: Table }>();
  nodes.forEach(([state, facts, balancer], i) => {
    const { namespaces } = blueprint(state, facts, balancer);
    if (!namespaces) throw new TypeError(`node ${i} of the corpus cannot be described`);
    for (const { name, tables: all } of namespaces)
      for (const table of all) {
        const key = JSON.stringify(table);
        if (!tables.has(key))
          tables.set(key, { name: `node ${i}, ${name || 'its own namespace'}, ${table.family}`, table });
      }
  });
  return [...tables.values()];
}
