/** The node's own namespace: the gateway bridge, and the rules that lead published ports into the sandboxes. */
import { addressOf, formatCidr, macOf, parseCidr } from '../../lib/ip.js';
import { GATEWAY_BRIDGE, GATEWAY_PORTS, NODE_NAMESPACE, TABLE } from '../names.js';
import { type Chain, type NftSet, priorities, type Table } from '../nft/table.js';
import type { GatewayBridge, HostPort, PublishedPort, Underlay } from '../state.js';
import { type Facts, ingressGatewayAddress } from './facts.js';
import type { NamespaceBlueprint } from './model.js';
import { FLOWS_SET, FLOWS_TYPE, flowKey, portAtKey, portKey } from './ports.js';

/** A host port with the address on the gateway bridge of the task that it leads to. */
export interface HostForward extends HostPort {
  readonly gatewayAddress: string;
}

export interface NodeInput {
  readonly underlay: Underlay;
  readonly gatewayBridge: GatewayBridge;
  readonly published: readonly PublishedPort[];
  readonly forwards: readonly HostForward[];
}

export function nodeBlueprint(input: NodeInput, facts: Facts): NamespaceBlueprint {
  const { address } = input.gatewayBridge;
  return {
    name: NODE_NAMESPACE,
    subject: { kind: 'node', id: '' },
    sysctls: [
      { key: 'net.ipv4.ip_forward', value: '1' },
      // For clients on the node that call 127.0.0.1; `loopback_guard` shuts what it would open.
      { key: `net/ipv4/conf/${GATEWAY_BRIDGE}/route_localnet`, value: '1', link: GATEWAY_BRIDGE },
    ],
    bridges: [
      {
        name: GATEWAY_BRIDGE,
        subject: { kind: 'node', id: '' },
        mac: macOf(address),
        mtu: facts.underlayMtu ?? 1500,
        addresses: [address],
      },
    ],
    vxlan: undefined,
    interfaces: [],
    routes: [],
    rules: [],
    neighbours: [],
    tables: [nodeTable(input), ...(facts.bridgeNetfilter ? [bridgeTable()] : [])],
  };
}

function nodeTable(input: NodeInput): Table {
  return { family: 'ip', name: TABLE, sets: nodeSets(input), chains: nodeChains(input) };
}

function nodeSets({ gatewayBridge, published, forwards }: NodeInput): NftSet[] {
  const ports = 'inet_proto . inet_service';
  const sandbox = addressOf(ingressGatewayAddress(gatewayBridge.address));
  const everywhere = <T extends { readonly hostAddress: string }>(list: readonly T[]) =>
    list.filter(({ hostAddress }) => hostAddress === '');
  const atOne = <T extends { readonly hostAddress: string }>(list: readonly T[]) =>
    list.filter(({ hostAddress }) => hostAddress !== '');
  const destination = (forward: HostForward) => `${forward.gatewayAddress} . ${forward.target}`;
  return [
    { name: 'ingress_ports', key: ports, keep: 'exact', elements: everywhere(published).map(portKey) },
    { name: 'ingress_ports_at', key: `ipv4_addr . ${ports}`, keep: 'exact', elements: atOne(published).map(portAtKey) },
    {
      name: 'host_ports',
      key: ports,
      value: 'ipv4_addr . inet_service',
      keep: 'exact',
      elements: everywhere(forwards).map((forward) => `${portKey(forward)} : ${destination(forward)}`),
    },
    {
      name: 'host_ports_at',
      key: `ipv4_addr . ${ports}`,
      value: 'ipv4_addr . inet_service',
      keep: 'exact',
      elements: atOne(forwards).map((forward) => `${portAtKey(forward)} : ${destination(forward)}`),
    },
    {
      name: FLOWS_SET,
      key: FLOWS_TYPE,
      keep: 'journal',
      elements: [
        ...published.map((port) => flowKey(port, sandbox)),
        ...forwards.map((forward) => flowKey(forward, forward.gatewayAddress)),
      ],
    },
  ];
}

function nodeChains({ underlay, gatewayBridge }: NodeInput): Chain[] {
  const subnet = formatCidr(parseCidr(gatewayBridge.address));
  const sandbox = addressOf(ingressGatewayAddress(gatewayBridge.address));
  const bridge = `"${GATEWAY_BRIDGE}"`;
  const toLocal = ['fib daddr type local goto publish'];
  return [
    {
      name: 'loopback_guard',
      base: { type: 'filter', hook: 'prerouting', priority: priorities.raw, policy: 'accept' },
      rules: [`iifname ${bridge} ip daddr 127.0.0.0/8 drop`],
    },
    {
      name: 'publish',
      rules: [
        `meta l4proto . th dport @ingress_ports dnat to ${sandbox}`,
        `ip daddr . meta l4proto . th dport @ingress_ports_at dnat to ${sandbox}`,
        'meta l4proto { 6, 17, 132 } dnat ip to meta l4proto . th dport map @host_ports',
        'meta l4proto { 6, 17, 132 } dnat ip to ip daddr . meta l4proto . th dport map @host_ports_at',
      ],
    },
    {
      name: 'prerouting',
      base: { type: 'nat', hook: 'prerouting', priority: priorities.dstnat, policy: 'accept' },
      rules: toLocal,
    },
    {
      name: 'output',
      base: { type: 'nat', hook: 'output', priority: priorities.dstnat, policy: 'accept' },
      rules: toLocal,
    },
    {
      // Sandboxes reach each other here only through a port that was published.
      name: 'isolation',
      base: { type: 'filter', hook: 'forward', priority: priorities.filter, policy: 'accept' },
      rules: [`iifname ${bridge} oifname ${bridge} ct status & dnat == 0 drop`],
    },
    {
      name: 'postrouting',
      base: { type: 'nat', hook: 'postrouting', priority: priorities.srcnat, policy: 'accept' },
      rules: [
        // 127.0.0.1 and the bridge's addresses are the same on every node: a task elsewhere could not answer them.
        `oifname ${bridge} ct status dnat ip saddr { 127.0.0.0/8, ${subnet} } snat to ${underlay.address}`,
        `oifname != ${bridge} ip saddr ${subnet} masquerade`,
      ],
    },
  ];
}

/**
 * Where bridge netfilter is on, a frame whose destination was translated to another port of the bridge is
 * bridged, not routed, and isolated ports would drop it. The ports are not isolated there: `isolation`
 * sees bridged IPv4 packets, and this table stops all else.
 */
function bridgeTable(): Table {
  return {
    family: 'bridge',
    name: TABLE,
    sets: [],
    chains: [
      {
        name: 'isolation',
        base: { type: 'filter', hook: 'forward', priority: priorities.filter, policy: 'accept' },
        rules: [`iifname "${GATEWAY_PORTS}*" oifname "${GATEWAY_PORTS}*" ether type != ip drop`],
      },
    ],
  };
}
