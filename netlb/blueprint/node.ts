/** The node's own namespace: the bridges, and the rules that lead published ports into the sandboxes. */
import { addressOf, canonicalCidr, familyOf, macOf } from '../../lib/ip.js';
import { flattenedList, mappedList } from '../../lib/kept-list.js';
import { remembered } from '../../lib/remembered.js';
import { acceptRouters, GATEWAY_BRIDGE, NODE_NAMESPACE, TABLE } from '../names.js';
import { addressType, type Family, ipName } from '../nft/family.js';
import type { Chain, NftSet, Table } from '../nft/table.js';
import type { GatewayBridge, Overlay, Underlay } from '../state.js';
import {
  type BridgeNetwork,
  bridgeBlueprint,
  bridgeSysctls,
  type RoutedBridge,
  routedGatewayBridge,
} from './bridges.js';
import { encryptionChains } from './encryption.js';
import type { EnteredPort } from './entries.js';
import type { Facts } from './facts.js';
import type { HostForward } from './forwards.js';
import { ingressGatewayAddresses } from './ingress.js';
import type { BridgeBlueprint, NamespaceBlueprint, Sysctl } from './model.js';
import {
  forwardSets,
  frameIsolation,
  isolationChains,
  localSources,
  loopbackGuard,
  publishChains,
  sourceChain,
} from './node-rules.js';
import type { Port } from './occupied.js';
import { FLOWS_AT_SET, FLOWS_SET, flowKey, flowsType, portAtKey, portKey, SPARED_SET } from './ports.js';
import type { RoutedParts } from './routed.js';
import { nodeTracking, unrecognised } from './tracking.js';
import { overlayTunnels, vtepGuard } from './vtep-guard.js';

export interface NodeInput {
  /** Undefined in no swarm. */
  readonly swarm: SwarmInput | undefined;
  readonly bridges: readonly BridgeNetwork[];
  readonly routed: readonly RoutedParts[];
  readonly forwards: readonly HostForward[];
  readonly overlays: readonly Overlay[];
}

export interface SwarmInput {
  readonly underlay: Underlay;
  readonly gatewayBridge: GatewayBridge;
  readonly published: readonly MeshPort[];
  /** What is left to processes of ports that are published on all addresses. */
  readonly sparedPorts: readonly Port[];
  /** VNIs whose packets shall not pass in clear. */
  readonly encrypted: readonly number[];
}

/** A port that every node answers on, over one family. */
export type MeshPort = EnteredPort & { readonly family: Family };

export function nodeBlueprint(input: NodeInput, facts: Facts): NamespaceBlueprint {
  const { swarm, routed } = input;
  const bridges = [...input.bridges, ...routed.map(({ bridge }) => bridge)];
  const all = [...(swarm ? [routedGatewayBridge(swarm.gatewayBridge)] : []), ...bridges];
  return {
    name: NODE_NAMESPACE,
    subject: { kind: 'node', id: '' },
    sysctls: all.length > 0 ? [...forwarding(all, facts), ...nodeTracking, ...all.flatMap(bridgeSysctls)] : [],
    bridges: [...(swarm ? [gatewayBlueprint(swarm.gatewayBridge, facts)] : []), ...bridges.map(bridgeBlueprint)],
    vxlans: routed.flatMap(({ vxlan }) => (vxlan ? [vxlan] : [])),
    interfaces: [],
    routes: routed.flatMap(({ routes }) => routes),
    rules: [],
    neighbours: [],
    tables: all.length > 0 ? nodeTables(input, all, facts) : [],
  };
}

const hasIpv6 = (bridges: readonly RoutedBridge[]): boolean =>
  bridges.some(({ gateways }) => gateways.some((gateway) => familyOf(gateway) === 6));

function forwarding(bridges: readonly RoutedBridge[], { routerLearners }: Facts): Sysctl[] {
  const forwarding4: Sysctl = { key: 'net.ipv4.ip_forward', value: '1' };
  if (!hasIpv6(bridges)) return [forwarding4];
  return [
    forwarding4,
    // Who forwards does not listen to routers, and forgets what they said, unless this was set before.
    ...routerLearners.map((name) => ({ key: acceptRouters(name), value: '2' })),
    { key: 'net.ipv6.conf.all.forwarding', value: '1', optional: true },
  ];
}

const gatewayBlueprint = (gatewayBridge: GatewayBridge, facts: Facts): BridgeBlueprint => ({
  name: GATEWAY_BRIDGE,
  subject: { kind: 'node', id: '' },
  mac: macOf(gatewayBridge.address),
  mtu: facts.underlayMtu ?? 1500,
  addresses: routedGatewayBridge(gatewayBridge).gateways.map(canonicalCidr),
});

function nodeTables(
  { swarm, forwards, overlays, routed }: NodeInput,
  bridges: readonly RoutedBridge[],
  facts: Facts,
): Table[] {
  const tunnels = [
    ...(swarm ? overlayTunnels(overlays, swarm.underlay) : []),
    ...routed.flatMap(({ vxlan }) => (vxlan ? [{ ...vxlan, vteps: vxlan.remotes.map(({ vtep }) => vtep) }] : [])),
  ];
  const vteps = vtepGuard(tunnels, facts.stateful);
  const of = (family: Family) => forwards.filter((forward) => forward.family === family);
  const { bridgeNetfilter } = facts;
  const swarm6 = swarm?.gatewayBridge.address6 === '' ? undefined : swarm;
  return [
    {
      family: 'ip',
      name: TABLE,
      sets: [
        ...(swarm ? ingressSets(swarm, 4) : []),
        ...forwardSets(of(4), 4),
        flows(swarm ? ingressFlows(swarm, 4) : [], of(4), 4),
        ...vteps.sets,
        ...unrecognised(swarm, 4).sets,
      ],
      chains: [
        loopbackGuard(bridges),
        ...vteps.chains,
        ...unrecognised(swarm, 4).chains,
        ...chains(swarm ? ingressRules(swarm, bridges, 4, facts) : NO_RULES, bridges, 4),
        ...(swarm ? encryptionChains(swarm.encrypted, swarm.underlay.vxlanPort) : []),
      ],
    },
    ...(hasIpv6(bridges)
      ? [
          {
            family: 'ip6',
            name: TABLE,
            sets: [
              ...(swarm6 ? ingressSets(swarm6, 6) : []),
              ...forwardSets(of(6), 6),
              flows(swarm6 ? ingressFlows(swarm6, 6) : [], of(6), 6),
              ...unrecognised(swarm6, 6).sets,
            ],
            chains: [
              ...unrecognised(swarm6, 6).chains,
              ...chains(swarm6 ? ingressRules(swarm6, bridges, 6, facts) : NO_RULES, bridges, 6),
            ],
          } as const,
        ]
      : []),
    ...(bridgeNetfilter.size > 0
      ? [{ family: 'bridge', name: TABLE, sets: [], chains: [frameIsolation(bridgeNetfilter)] } as const]
      : []),
  ];
}

/** Rules that come before those of all bridges. */
interface Before {
  readonly publish: readonly string[];
  readonly postrouting: readonly string[];
}

const NO_RULES: Before = { publish: [], postrouting: [] };

const chains = (before: Before, bridges: readonly RoutedBridge[], family: Family): Chain[] => [
  ...publishChains(before.publish, family),
  ...isolationChains(bridges, family),
  sourceChain(before.postrouting, bridges, family),
];

/** Address of ingress_sbox on the gateway bridge. @throws TypeError when the bridge does not have the family */
function sandboxAddress({ gatewayBridge }: SwarmInput, family: Family): string {
  const cidr = ingressGatewayAddresses(gatewayBridge, [family]).find((candidate) => familyOf(candidate) === family);
  if (cidr === undefined) throw new TypeError(`ingress_sbox has no IPv${family} address on the gateway bridge`);
  return addressOf(cidr);
}

/** What every node answers on goes to ingress_sbox, under an address that means something on every node. */
function ingressRules(
  swarm: SwarmInput,
  bridges: readonly RoutedBridge[],
  family: Family,
  { address6 }: Facts,
): Before {
  const header = ipName[family];
  const own = family === 4 ? swarm.underlay.address : address6;
  const local = `oifname "${GATEWAY_BRIDGE}" ct status dnat ${header} saddr ${localSources(bridges, family)}`;
  return {
    publish: [
      ...(sparedOver(swarm, family).length > 0
        ? [`meta l4proto { 6, 17, 132 } ${header} daddr . meta l4proto . th dport @${SPARED_SET} accept`]
        : []),
      `meta l4proto { 6, 17, 132 } dnat ${header} to meta l4proto . th dport map @ingress_ports`,
      `meta l4proto { 6, 17, 132 } dnat ${header} to ${header} daddr . meta l4proto . th dport map @ingress_ports_at`,
    ],
    // Without such an address they get the bridge's, as on all bridges: the way back is found by the mark.
    postrouting: own === undefined ? [] : [`${local} snat to ${own}`],
  };
}

const sparedOver = ({ sparedPorts }: SwarmInput, family: Family): readonly Port[] =>
  sparedPorts.filter((port) => port.family === family);

function ingressSets(swarm: SwarmInput, family: Family): NftSet[] {
  const sandbox = sandboxAddress(swarm, family);
  const type = addressType[family];
  const ports = 'inet_proto . inet_service';
  const value = `${type} . inet_service`;
  const own = swarm.published.filter((port) => port.family === family);
  const everywhere = own.filter(({ hostAddress }) => hostAddress === '');
  const atOne = own.filter(({ hostAddress }) => hostAddress !== '');
  const elements = elementsTo(sandbox);
  const spared = sparedOver(swarm, family);
  return [
    ...(spared.length > 0
      ? [{ name: SPARED_SET, key: `${type} . ${ports}`, keep: 'exact', elements: spared.map(portAtKey) } as const]
      : []),
    {
      name: 'ingress_ports',
      key: ports,
      value,
      keep: 'exact',
      elements: elements.everywhere(everywhere),
    },
    {
      name: 'ingress_ports_at',
      key: `${type} . ${ports}`,
      value,
      keep: 'exact',
      elements: elements.atOne(atOne),
    },
    { name: FLOWS_AT_SET, key: `${type} . ${ports}`, keep: 'journal', elements: elements.flowsAtOne(atOne) },
  ];
}

function ingressFlows(swarm: SwarmInput, family: Family): readonly string[] {
  const { flows } = elementsTo(sandboxAddress(swarm, family));
  return flows(swarm.published.filter((port) => port.family === family && port.hostAddress === ''));
}

/** Elements of sets that lead ports to an address of ingress_sbox. */
const elementsTo = remembered((sandbox: string) => ({
  everywhere: mappedList((port: MeshPort) => `${portKey(port)} : ${sandbox} . ${port.entry}`),
  atOne: mappedList((port: MeshPort) => `${portAtKey(port)} : ${sandbox} . ${port.entry}`),
  flows: mappedList((port: MeshPort) => flowKey(port, sandbox)),
  flowsAtOne: mappedList((port: MeshPort) => portAtKey(port)),
}));

const flows = (others: readonly string[], forwards: readonly HostForward[], family: Family): NftSet => ({
  name: FLOWS_SET,
  key: flowsType(family),
  keep: 'journal',
  elements: allFlows[family]([others, forwardFlows[family](forwards)]),
});

const forwardFlowsOf = () => mappedList((forward: HostForward) => flowKey(forward, forward.address));
const forwardFlows = { 4: forwardFlowsOf(), 6: forwardFlowsOf() };
const joined = () => flattenedList((elements: readonly string[]) => elements);
const allFlows = { 4: joined(), 6: joined() };
