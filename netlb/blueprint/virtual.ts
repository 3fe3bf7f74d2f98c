/** Virtual addresses, balanced where the connection starts: in the client's own namespace. */

import { canonicalAddress, familyOf } from '../../lib/ip.js';
import { roundRobin } from '../balancer/nft.js';
import { addressType, type Family, icmpName, ipName } from '../nft/family.js';
import { type Chain, type NftSet, priorities } from '../nft/table.js';
import type { VirtualService } from '../state.js';
import { VIRTUAL_FLOWS_SET, virtualFlowsType } from './ports.js';

const chainOf = (address: string): string => `virtual_${address.replace(/[.:]/g, '_')}`;

/** The objects for one family's table: the same in both. None when no service has an address of the family. */
export function virtualObjects(all: readonly VirtualService[], family: Family): { sets: NftSet[]; chains: Chain[] } {
  const services = all
    .filter(({ address }) => familyOf(address) === family)
    .map(({ address, backends }) => ({
      address: canonicalAddress(address),
      backends: backends.map((backend) => ({ ...backend, address: canonicalAddress(backend.address) })),
    }));
  if (services.length === 0) return { sets: [], chains: [] };
  return { sets: virtualSets(services, family), chains: virtualChains(services, family) };
}

function virtualSets(services: readonly VirtualService[], family: Family): NftSet[] {
  const type = addressType[family];
  return [
    {
      name: 'virtual_services',
      key: type,
      value: 'verdict',
      keep: 'exact',
      elements: services.map(({ address }) => `${address} : goto ${chainOf(address)}`),
    },
    { name: 'virtual_addresses', key: type, keep: 'exact', elements: services.map(({ address }) => address) },
    {
      name: VIRTUAL_FLOWS_SET,
      key: virtualFlowsType(family),
      keep: 'journal',
      counted: true,
      elements: services.flatMap(({ address, backends }) =>
        backends.map((backend) => `${address} . ${backend.address}`),
      ),
    },
  ];
}

function virtualChains(services: readonly VirtualService[], family: Family): Chain[] {
  const header = ipName[family];
  return [
    ...services.map(({ address, backends }): Chain => {
      const rule = roundRobin(backends);
      return { name: chainOf(address), rules: rule === undefined ? [] : [rule] };
    }),
    {
      name: 'virtual_balance',
      base: { type: 'nat', hook: 'output', priority: priorities.dstnat, policy: 'accept' },
      rules: [`${header} daddr vmap @virtual_services`],
    },
    {
      // After NAT only what found no backend still has a virtual address.
      name: 'virtual_refuse',
      base: { type: 'filter', hook: 'output', priority: priorities.filter, policy: 'accept' },
      rules: [
        // The first packets of connections are counted by the ways that they take: one that none has taken needs no cutting.
        `ct direction original ct status & confirmed == 0 ct original ${header} daddr . ${header} daddr @${VIRTUAL_FLOWS_SET}`,
        `${header} daddr @virtual_addresses meta l4proto 6 reject with tcp reset`,
        `${header} daddr @virtual_addresses reject with ${icmpName[family]} port-unreachable`,
      ],
    },
    {
      // Empty: connections to two virtual addresses with one source port may share a backend.
      name: 'virtual_source',
      base: { type: 'nat', hook: 'postrouting', priority: priorities.srcnat, policy: 'accept' },
      rules: [],
    },
  ];
}
