import { describe, expect, test } from 'vitest';
import type { MarkedService } from './balancer.js';
import { nftBalancer } from './nft.js';

const service: MarkedService = {
  mark: 256,
  protocol: 'tcp',
  published: 8080,
  scheduler: 'rr',
  affinity: 0,
  backends: [
    { address: '10.0.0.11', weight: 1 },
    { address: 'fd00::11', weight: 1 },
    { address: '10.0.0.12', weight: 1 },
  ],
};

const rules = (family: 4 | 6) => nftBalancer.objects([service], family).chains[0]?.rules;

describe('nft balancer', () => {
  test('each family has its own backends in turn, under the same mark', () => {
    expect(rules(4)).toEqual(['dnat ip to numgen inc mod 2 map { 0 : 10.0.0.11, 1 : 10.0.0.12 }']);
    expect(rules(6)).toEqual(['dnat ip6 to numgen inc mod 1 map { 0 : fd00::11 }']);
    expect(nftBalancer.objects([service], 6).sets[0]?.elements).toEqual(['256 : goto service_100']);
  });
});
