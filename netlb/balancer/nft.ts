/** Balancing by nftables: a count or a hash of each new connection, and an anonymous map that turns it into a backend. */
import { familyOf } from '../../lib/ip.js';
import { mappedList } from '../../lib/kept-list.js';
import { rememberedOf } from '../../lib/remembered.js';
import type { Scheduler } from '../../lib/schedulers.js';
import { type Family, ipName } from '../nft/family.js';
import { type Chain, type NftSet, priorities, protocolNumbers } from '../nft/table.js';
import type { Backend } from '../state.js';
import { type Affinity, affinityOf } from './affinity.js';
import type { Balancer, MarkedService } from './balancer.js';
import { countedSets, countingChains } from './counting.js';
import { maglev } from './maglev.js';
import { serviceOver, slots } from './slots.js';

/** The same on every node, so that a client is led to one task whatever node it comes through. */
const SEED = '0x74737377';

/**
 * The destination NAT that spreads connections over backends of one family, with the port as it was; none when no
 * backend takes new ones.
 */
export const roundRobin = (backends: readonly Backend[]): string | undefined => spread(backends, 'rr');

/** @param port undefined: as it was */
function spread(backends: readonly Backend[], scheduler: Scheduler, port?: number): string | undefined {
  const turns = scheduler === 'mh' ? maglev(backends) : slots(backends);
  if (turns.length === 0) return undefined;
  const to = port === undefined ? '' : ` . ${port}`;
  const map = turns.map((turn, i) => `${i} : ${turn}${to}`).join(', ');
  const header = ipName[backends.some(({ address }) => familyOf(address) === 6) ? 6 : 4];
  const isHash = scheduler === 'sh' || scheduler === 'mh';
  const number = isHash ? `jhash ${header} saddr mod ${turns.length} seed ${SEED}` : `numgen inc mod ${turns.length}`;
  return `dnat ${header} to ${number} map { ${map} }`;
}

const serviceChain = (mark: number): string => `service_${mark.toString(16)}`;

/** Each service has a chain of its own, found by its mark in a map. */
export const nftBalancer: Balancer = {
  kind: 'nft',
  schedulers: new Set(['rr', 'wrr', 'sh', 'mh']),
  sysctls: [],
  timeouts: undefined,
  objects(services, family) {
    const own = servicesOver[family](services);
    const affinities = own.filter(({ affinity }) => affinity > 0).map(affinityIn[family]);
    return {
      sets: [servicesMap(services), ...affinitySets(affinities), ...countedSets(own, family)],
      chains: [
        ...chainsOf[family](own),
        {
          name: 'balance',
          base: { type: 'nat', hook: 'prerouting', priority: priorities.dstnat, policy: 'accept' },
          rules: ['iifname "eth1" meta mark vmap @services'],
        },
        ...affinityChains(affinities),
        ...countingChains(family),
      ],
      marked: 'ct state new',
      input: [],
      forward: ['ct status dnat accept'],
      ipvs: [],
      countsFlows: true,
    };
  },
};

const over = (family: Family) => mappedList((service: MarkedService) => serviceOver(service, family));
const servicesOver = { 4: over(4), 6: over(6) };

const servicesMap = (services: readonly MarkedService[]): NftSet => ({
  name: 'services',
  key: 'mark',
  value: 'verdict',
  keep: 'exact',
  elements: serviceElements(services),
});

const serviceElements = mappedList(({ mark }: MarkedService) => `${mark} : goto ${serviceChain(mark)}`);

/** Of services whose backends are all of that family. */
const affinityOver = (family: Family) => rememberedOf((service: MarkedService) => affinityOf(service, family));
const affinityIn = { 4: affinityOver(4), 6: affinityOver(6) };
const chainsOver = (family: Family) => mappedList((service: MarkedService) => chainOf(service, family));
const chainsOf = { 4: chainsOver(4), 6: chainsOver(6) };

function chainOf(service: MarkedService, family: Family): Chain {
  const { mark, protocol, published, entry, affinity, backends, scheduler } = service;
  const rule = spread(backends, scheduler, entry === published ? undefined : published);
  const known = affinity > 0 ? affinityIn[family](service).known : [];
  const rules = rule === undefined ? [] : [...known, rule];
  // nft translates ports for a protocol that it knows.
  const of = entry === published ? '' : `meta l4proto ${protocolNumbers[protocol]} `;
  return { name: serviceChain(mark), rules: rules.map((text) => `${of}${text}`) };
}

function affinitySets(affinities: readonly Affinity[]): NftSet[] {
  if (affinities.length === 0) return [];
  const map: NftSet = {
    name: 'affinities',
    key: 'mark',
    value: 'verdict',
    keep: 'exact',
    elements: affinities.map(({ mark, chain }) => `${mark} : goto ${chain.name}`),
  };
  return [map, ...affinities.flatMap(({ sets }) => sets)];
}

/** After the translation, where a new connection shows which backend it has got. */
function affinityChains(affinities: readonly Affinity[]): Chain[] {
  if (affinities.length === 0) return [];
  return [
    ...affinities.map(({ chain }) => chain),
    {
      name: 'remember_affinity',
      base: { type: 'filter', hook: 'prerouting', priority: priorities.dstnat + 10, policy: 'accept' },
      rules: ['iifname "eth1" ct state new meta mark vmap @affinities'],
    },
  ];
}
