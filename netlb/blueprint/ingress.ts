/** ingress_sbox: where every connection to a published port of this node comes in and is given to a task. */
import { addressOf, canonicalCidr, familyOf } from '../../lib/ip.js';
import { flattenedList, mappedList, mappedPairs } from '../../lib/kept-list.js';
import { remembered, rememberedOf } from '../../lib/remembered.js';
import type { Balancer, BalancerObjects, MarkedService } from '../balancer/balancer.js';
import { ofFamily } from '../balancer/slots.js';
import { INGRESS_NAMESPACE, TABLE } from '../names.js';
import { type Family, icmpName, ipName } from '../nft/family.js';
import { type Chain, type NftSet, priorities, type Table } from '../nft/table.js';
import type { GatewayBridge, Ingress } from '../state.js';
import type { EnteredPort } from './entries.js';
import { assignMarks, type Facts, ingressGatewayAddress } from './facts.js';
import {
  defaultRoute,
  gatewayAddress6,
  gatewayInterface,
  type OverlayNetwork,
  overlayInterface,
  subnetRoutes,
} from './interfaces.js';
import type { NamespaceBlueprint, Sysctl } from './model.js';
import { FLOWS_SET, flowKey, flowsType, portKey } from './ports.js';
import { spreadOf } from './spread.js';
import { ownTracking } from './tracking.js';

/** @param published of `ingress.services`, those that are well-formed */
export function ingressBlueprint(
  ingress: Ingress,
  published: readonly EnteredPort[],
  network: OverlayNetwork,
  gatewayBridge: GatewayBridge,
  balancer: Balancer,
  facts: Facts,
): NamespaceBlueprint {
  const families = ingressFamilies(ingress, gatewayBridge);
  const services = markedServices(published, balancer, facts);
  const balanced = families.map((family) => ({ family, balancing: balancer.objects(services, family) }));
  const cidrs = ingress.addresses.map(canonicalCidr);
  const endpoint = { networkId: network.id, addresses: cidrs.map(addressOf), mac: ingress.mac };
  return {
    name: INGRESS_NAMESPACE,
    subject: { kind: 'ingress', id: network.id },
    sysctls: [
      { key: 'net.ipv4.ip_forward', value: '1' },
      { key: 'net.ipv4.conf.all.rp_filter', value: '0' },
      { key: 'net.ipv4.conf.default.rp_filter', value: '0' },
      ...(families.includes(6) ? sysctls6 : []),
      ...ownTracking,
      ...balancer.sysctls,
    ],
    bridges: [],
    vxlans: [],
    interfaces: [
      overlayInterface(INGRESS_NAMESPACE, 'eth0', endpoint, cidrs, network.mtu),
      gatewayInterface(
        INGRESS_NAMESPACE,
        'eth1',
        ingressGatewayAddresses(gatewayBridge, families),
        facts.underlayMtu ?? 1500,
        facts.bridgeNetfilter.size === 0,
      ),
    ],
    routes: [
      ...families.map((family) => defaultRoute(family === 4 ? gatewayBridge.address : gatewayBridge.address6, 'eth1')),
      // Tasks may be in any of its subnets.
      ...subnetRoutes(network.gateways, cidrs, 'eth0'),
    ],
    rules: [],
    neighbours: [],
    // The same marks in both, and each family's own backends.
    tables: balanced.map(({ family, balancing }) => {
      const hidden = facts.clientAddress === 'kept' ? undefined : cidrs.find((cidr) => familyOf(cidr) === family);
      return ingressTable(services, family, balancing, hidden && addressOf(hidden));
    }),
    ...(balancer.timeouts && {
      ipvs: { timeouts: balancer.timeouts, services: balanced.flatMap(({ balancing }) => balancing.ipvs) },
    }),
  };
}

const sysctls6: readonly Sysctl[] = [
  { key: 'net.ipv6.conf.all.forwarding', value: '1' },
  { key: 'net.ipv6.conf.default.accept_dad', value: '0' },
];

/** Those over which published ports answer: the ingress network has them, and so has the gateway bridge. */
export const ingressFamilies = ({ addresses }: Ingress, { address6 }: GatewayBridge): Family[] =>
  address6 !== '' && addresses.some((cidr) => familyOf(cidr) === 6) ? [4, 6] : [4];

/** CIDRs of ingress_sbox on the gateway bridge. */
export function ingressGatewayAddresses(bridge: GatewayBridge, families: readonly Family[]): [string, ...string[]] {
  const cidr = ingressGatewayAddress(bridge.address);
  return [cidr, ...(families.includes(6) ? [gatewayAddress6(bridge, cidr)] : [])];
}

/** What its packets show in the sandbox. */
const entryKey = ({ protocol, entry }: Pick<EnteredPort, 'protocol' | 'entry'>): string =>
  portKey({ protocol, published: entry });

function markedServices(published: readonly EnteredPort[], balancer: Balancer, facts: Facts): readonly MarkedService[] {
  return markedBy(balancer)(published, marksFor(entryKeys(published))(facts.marks));
}

const entryKeys = mappedList(entryKey);

/** One for each key. */
const marksFor = rememberedOf((keys: readonly string[]) =>
  rememberedOf((current: Facts['marks']): readonly number[] => {
    const marks = assignMarks(keys, current);
    return keys.map((key) => {
      const mark = marks.get(key);
      if (mark === undefined) throw new TypeError(`no mark was given to ${key}`);
      return mark;
    });
  }),
);

/** The same object for the same port and mark. */
const markedBy = rememberedOf((balancer: Balancer) => {
  const markedAs = rememberedOf((port: EnteredPort) => {
    const { scheduler, affinity } = spreadOf(port, balancer);
    return remembered((mark: number): MarkedService => ({ ...port, mark, affinity, scheduler }));
  });
  return mappedPairs((port: EnteredPort, mark: number) => markedAs(port)(mark));
});

/** @param hidden the address that clients get, where they cannot keep theirs */
function ingressTable(
  services: readonly MarkedService[],
  family: Family,
  balancing: BalancerObjects,
  hidden: string | undefined,
): Table {
  return {
    family: ipName[family],
    name: TABLE,
    sets: [...markSets(services, family, balancing), ...balancing.sets],
    chains: [
      {
        name: 'set_mark',
        base: { type: 'filter', hook: 'prerouting', priority: priorities.mangle, policy: 'accept' },
        rules: [`${balancing.marked} iifname "eth1" meta mark set meta l4proto . th dport map @marks`],
      },
      ...balancing.chains,
      ...guardChains(balancing, family),
      ...(hidden === undefined ? [] : [sourceChain(hidden)]),
    ],
  };
}

/** Without answers to these a neighbour is out of reach; connection tracking has no part in them. */
const neighbours = { 4: [], 6: ['icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept'] } as const;

function markSets(
  services: readonly MarkedService[],
  family: Family,
  { countsFlows }: Pick<BalancerObjects, 'countsFlows'>,
): NftSet[] {
  return [
    {
      name: 'marks',
      key: 'inet_proto . inet_service',
      value: 'mark',
      keep: 'exact',
      elements: markElements(services),
    },
    {
      name: FLOWS_SET,
      key: flowsType(family),
      keep: 'journal',
      ...(countsFlows ? { counted: true } : {}),
      elements: flowsOf[family](services),
    },
  ];
}

const markElements = mappedList((service: MarkedService) => `${entryKey(service)} : ${service.mark}`);

const flowsOver = (family: Family) =>
  flattenedList((service: MarkedService): readonly string[] =>
    ofFamily(service.backends, family).map(({ address }) => flowKey({ ...service, published: service.entry }, address)),
  );
const flowsOf = { 4: flowsOver(4), 6: flowsOver(6) };

/** Nothing but balanced connections passes; what no backend takes is refused at once instead of hanging. */
function guardChains({ input, forward }: BalancerObjects, family: Family): Chain[] {
  const icmp = icmpName[family];
  return [
    {
      name: 'input',
      base: { type: 'filter', hook: 'input', priority: priorities.filter, policy: 'drop' },
      rules: [
        'iifname "lo" accept',
        'ct state established,related accept',
        ...input,
        // Of a connection that is balanced, but not recognised: no reason to reset it.
        'ct state invalid drop',
        'meta mark != 0 meta l4proto 6 reject with tcp reset',
        `meta mark != 0 reject with ${icmp} port-unreachable`,
        `${icmp} type echo-request accept`,
        ...neighbours[family],
      ],
    },
    {
      name: 'forward',
      base: { type: 'filter', hook: 'forward', priority: priorities.filter, policy: 'drop' },
      rules: forward,
    },
  ];
}

/** On a kernel without netdev egress tasks can only answer this sandbox's own address. */
function sourceChain(address: string): Chain {
  return {
    name: 'source',
    base: { type: 'nat', hook: 'postrouting', priority: priorities.srcnat, policy: 'accept' },
    rules: [`oifname "eth0" meta mark != 0 snat to ${address}`],
  };
}
