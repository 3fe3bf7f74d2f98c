import { describe, expect, test } from 'vitest';
import type { MarkedService } from './balancer.js';
import { nftBalancer } from './nft.js';

const service: MarkedService = {
  mark: 256,
  protocol: 'tcp',
  published: 8080,
  entry: 8080,
  scheduler: 'rr',
  affinity: 0,
  backends: [
    { address: '10.0.0.11', weight: 1 },
    { address: 'fd00::11', weight: 1 },
    { address: '10.0.0.12', weight: 1 },
  ],
};

const rules = (family: 4 | 6, more: Partial<MarkedService> = {}) =>
  nftBalancer.objects([{ ...service, ...more }], family).chains[0]?.rules;

describe('nft balancer', () => {
  test('each family has its own backends in turn, under the same mark', () => {
    expect(rules(4)).toEqual(['dnat ip to numgen inc mod 2 map { 0 : 10.0.0.11, 1 : 10.0.0.12 }']);
    expect(rules(6)).toEqual(['dnat ip6 to numgen inc mod 1 map { 0 : fd00::11 }']);
    expect(nftBalancer.objects([service], 6).sets[0]?.elements).toEqual(['256 : goto service_100']);
  });

  test('what comes in by a stand-in gets the published port', () => {
    const standIn = { ...service, entry: 65535, affinity: 60 };
    const chainsOf = (family: 4 | 6) => nftBalancer.objects([standIn], family).chains[0]?.rules;
    expect(chainsOf(4)).toEqual([
      'meta l4proto 6 ip saddr @clients_100_60s_10_0_0_11 dnat ip to 10.0.0.11:8080',
      'meta l4proto 6 ip saddr @clients_100_60s_10_0_0_12 dnat ip to 10.0.0.12:8080',
      'meta l4proto 6 dnat ip to numgen inc mod 2 map { 0 : 10.0.0.11 . 8080, 1 : 10.0.0.12 . 8080 }',
    ]);
    expect(chainsOf(6)?.[0]).toContain('dnat ip6 to [fd00::11]:8080');
  });

  test('sh and mh - by a hash of the client address, the same on every node', () => {
    expect(rules(4, { scheduler: 'sh' })).toEqual([
      'dnat ip to jhash ip saddr mod 2 seed 0x74737377 map { 0 : 10.0.0.11, 1 : 10.0.0.12 }',
    ]);
    expect(rules(6, { scheduler: 'mh' })?.[0]).toMatch(/^dnat ip6 to jhash ip6 saddr mod 251 seed 0x74737377 map/);
  });

  test('affinity - clients that are known first; each backend that takes connections has a set of them', () => {
    const backends = [...service.backends, { address: '10.0.0.13', weight: 0 }];
    const { sets, chains } = nftBalancer.objects([{ ...service, backends, affinity: 600 }], 4);
    expect(chains.find(({ name }) => name === 'service_100')?.rules).toEqual([
      'ip saddr @clients_100_600s_10_0_0_11 dnat ip to 10.0.0.11',
      'ip saddr @clients_100_600s_10_0_0_12 dnat ip to 10.0.0.12',
      'dnat ip to numgen inc mod 2 map { 0 : 10.0.0.11, 1 : 10.0.0.12 }',
    ]);
    expect(chains.find(({ name }) => name === 'affinity_100')?.rules).toEqual([
      'ip daddr 10.0.0.11 update @clients_100_600s_10_0_0_11 { ip saddr }',
      'ip daddr 10.0.0.12 update @clients_100_600s_10_0_0_12 { ip saddr }',
    ]);
    expect(sets.filter(({ keep }) => keep === 'learned').map(({ timeout }) => timeout)).toEqual([600, 600]);
    expect(nftBalancer.objects([service], 4).chains.map(({ name }) => name)).not.toContain('remember_affinity');
  });
});
