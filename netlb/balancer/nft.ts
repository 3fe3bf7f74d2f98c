/** Balancing by nftables: `numgen inc` counts connections, an anonymous map turns the count into a backend. */
import { familyOf } from '../../lib/ip.js';
import { type Chain, priorities } from '../nft/table.js';
import type { Backend } from '../state.js';
import type { Balancer } from './balancer.js';
import { ofFamily, slots } from './slots.js';

/**
 * The destination NAT that spreads connections over backends of one family, with the port as it was; none when no
 * backend takes new ones.
 */
export function roundRobin(backends: readonly Backend[]): string | undefined {
  const turns = slots(backends);
  if (turns.length === 0) return undefined;
  const map = turns.map((turn, i) => `${i} : ${turn}`).join(', ');
  const header = backends.some(({ address }) => familyOf(address) === 6) ? 'ip6' : 'ip';
  return `dnat ${header} to numgen inc mod ${turns.length} map { ${map} }`;
}

const serviceChain = (mark: number): string => `service_${mark.toString(16)}`;

/** Each service has a chain of its own, found by its mark in a map. */
export const nftBalancer: Balancer = {
  kind: 'nft',
  objects(services, family) {
    const chains = services.map(({ mark, backends }): Chain => {
      const rule = roundRobin(ofFamily(backends, family));
      return { name: serviceChain(mark), rules: rule === undefined ? [] : [rule] };
    });
    return {
      sets: [
        {
          name: 'services',
          key: 'mark',
          value: 'verdict',
          keep: 'exact',
          elements: services.map(({ mark }) => `${mark} : goto ${serviceChain(mark)}`),
        },
      ],
      chains: [
        ...chains,
        {
          name: 'balance',
          base: { type: 'nat', hook: 'prerouting', priority: priorities.dstnat, policy: 'accept' },
          rules: ['iifname "eth1" meta mark vmap @services'],
        },
      ],
    };
  },
};
