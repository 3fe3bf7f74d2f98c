/** Virtual addresses, balanced where the connection starts: in the client's own namespace. */
import { roundRobin } from '../balancer/nft.js';
import { type Chain, type NftSet, priorities } from '../nft/table.js';
import type { VirtualService } from '../state.js';
import { VIRTUAL_FLOWS_SET, VIRTUAL_FLOWS_TYPE } from './ports.js';

const chainOf = (address: string): string => `virtual_${address.replaceAll('.', '_')}`;

export function virtualSets(services: readonly VirtualService[]): NftSet[] {
  return [
    {
      name: 'virtual_services',
      key: 'ipv4_addr',
      value: 'verdict',
      keep: 'exact',
      elements: services.map(({ address }) => `${address} : goto ${chainOf(address)}`),
    },
    { name: 'virtual_addresses', key: 'ipv4_addr', keep: 'exact', elements: services.map(({ address }) => address) },
    {
      name: VIRTUAL_FLOWS_SET,
      key: VIRTUAL_FLOWS_TYPE,
      keep: 'journal',
      elements: services.flatMap(({ address, backends }) =>
        backends.map((backend) => `${address} . ${backend.address}`),
      ),
    },
  ];
}

export function virtualChains(services: readonly VirtualService[]): Chain[] {
  return [
    ...services.map(({ address, backends }): Chain => {
      const rule = roundRobin(backends);
      return { name: chainOf(address), rules: rule === undefined ? [] : [rule] };
    }),
    {
      name: 'virtual_balance',
      base: { type: 'nat', hook: 'output', priority: priorities.dstnat, policy: 'accept' },
      rules: ['ip daddr vmap @virtual_services'],
    },
    {
      // After NAT only what found no backend still has a virtual address.
      name: 'virtual_refuse',
      base: { type: 'filter', hook: 'output', priority: priorities.filter, policy: 'accept' },
      rules: [
        'ip daddr @virtual_addresses meta l4proto 6 reject with tcp reset',
        'ip daddr @virtual_addresses reject with icmp port-unreachable',
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
