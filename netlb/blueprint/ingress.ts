/** ingress_sbox: where every connection to a published port of this node comes in and is given to a task. */
import { addressOf } from '../../lib/ip.js';
import type { Balancer, BalancerObjects, MarkedService } from '../balancer/balancer.js';
import { ofFamily } from '../balancer/slots.js';
import { INGRESS_NAMESPACE, TABLE } from '../names.js';
import { type Chain, type NftSet, priorities, type Table } from '../nft/table.js';
import type { GatewayBridge, Ingress, PublishedPort } from '../state.js';
import { assignMarks, type Facts, ingressGatewayAddress } from './facts.js';
import { defaultRoute, gatewayInterface, type OverlayNetwork, overlayInterface } from './interfaces.js';
import type { NamespaceBlueprint } from './model.js';
import { FLOWS_SET, flowKey, flowsType, portKey } from './ports.js';

/** @param published of `ingress.services`, those that are well-formed */
export function ingressBlueprint(
  ingress: Ingress,
  published: readonly PublishedPort[],
  network: OverlayNetwork,
  gatewayBridge: GatewayBridge,
  balancer: Balancer,
  facts: Facts,
): NamespaceBlueprint {
  const gateway = gatewayBridge.address;
  const services = markedServices(published, balancer, facts);
  const balancing = balancer.objects(services, 4);
  const endpoint = { networkId: network.id, addresses: [addressOf(ingress.address)], mac: ingress.mac };
  return {
    name: INGRESS_NAMESPACE,
    subject: { kind: 'ingress', id: network.id },
    sysctls: [
      { key: 'net.ipv4.ip_forward', value: '1' },
      { key: 'net.ipv4.conf.all.rp_filter', value: '0' },
      { key: 'net.ipv4.conf.default.rp_filter', value: '0' },
      ...balancer.sysctls,
    ],
    bridges: [],
    vxlans: [],
    interfaces: [
      overlayInterface(INGRESS_NAMESPACE, 'eth0', endpoint, [ingress.address], network.mtu),
      gatewayInterface(
        INGRESS_NAMESPACE,
        'eth1',
        [ingressGatewayAddress(gateway)],
        facts.underlayMtu ?? 1500,
        facts.bridgeNetfilter.size === 0,
      ),
    ],
    routes: [defaultRoute(gateway, 'eth1')],
    rules: [],
    neighbours: [],
    tables: [ingressTable(ingress, services, balancing, facts)],
    ...(balancer.timeouts && { ipvs: { timeouts: balancer.timeouts, services: balancing.ipvs } }),
  };
}

function markedServices(published: readonly PublishedPort[], balancer: Balancer, facts: Facts): MarkedService[] {
  const marks = assignMarks(published.map(portKey), facts.marks);
  return published.flatMap((port): MarkedService[] => {
    const mark = marks.get(portKey(port));
    const { scheduler = 'rr', affinity = 0 } = port;
    return mark === undefined
      ? []
      : [{ ...port, mark, affinity, scheduler: balancer.schedulers.has(scheduler) ? scheduler : 'rr' }];
  });
}

/** What a port asks for and this node does otherwise, in words; undefined: nothing. */
export function schedulerProblem({ protocol, published, scheduler }: PublishedPort, balancer: Balancer) {
  if (scheduler === undefined || balancer.schedulers.has(scheduler)) return undefined;
  const lack =
    balancer.kind === 'nft'
      ? `which the balancer nft does not have: use a kernel with IPVS, and --balancer auto or ipvs`
      : `which this kernel does not have: run "modprobe ip_vs_${scheduler}"`;
  return `port ${published}/${protocol} is balanced in turn (rr) on this node; it asks for ${scheduler}, ${lack}`;
}

function ingressTable(
  ingress: Ingress,
  services: readonly MarkedService[],
  balancing: BalancerObjects,
  facts: Facts,
): Table {
  return {
    family: 'ip',
    name: TABLE,
    sets: [...markSets(services), ...balancing.sets],
    chains: [
      {
        name: 'set_mark',
        base: { type: 'filter', hook: 'prerouting', priority: priorities.mangle, policy: 'accept' },
        rules: ['iifname "eth1" meta mark set meta l4proto . th dport map @marks'],
      },
      ...balancing.chains,
      ...guardChains(balancing),
      ...(facts.clientAddress === 'kept' ? [] : [sourceChain(addressOf(ingress.address))]),
    ],
  };
}

function markSets(services: readonly MarkedService[]): NftSet[] {
  return [
    {
      name: 'marks',
      key: 'inet_proto . inet_service',
      value: 'mark',
      keep: 'exact',
      elements: services.map((service) => `${portKey(service)} : ${service.mark}`),
    },
    {
      name: FLOWS_SET,
      key: flowsType('ipv4_addr'),
      keep: 'journal',
      elements: services.flatMap((service) =>
        ofFamily(service.backends, 4).map(({ address }) => flowKey(service, address)),
      ),
    },
  ];
}

/** Nothing but balanced connections passes; what no backend takes is refused at once instead of hanging. */
function guardChains({ input, forward }: BalancerObjects): Chain[] {
  return [
    {
      name: 'input',
      base: { type: 'filter', hook: 'input', priority: priorities.filter, policy: 'drop' },
      rules: [
        'iifname "lo" accept',
        'ct state established,related accept',
        ...input,
        'meta mark != 0 meta l4proto 6 reject with tcp reset',
        'meta mark != 0 reject with icmp port-unreachable',
        'icmp type echo-request accept',
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
