import { describe, expect, test } from 'vitest';
import { ipvsBalancer } from '../balancer/ipvs.js';
import { nftBalancer } from '../balancer/nft.js';
import type { EnteredPort } from './entries.js';
import { spreadOf } from './spread.js';

const ipvs = ipvsBalancer(new Set(['rr', 'wrr', 'lc']));
const port: EnteredPort = {
  protocol: 'tcp',
  published: 8080,
  target: 80,
  entry: 8080,
  hostAddress: '',
  backends: [],
};

describe('spreadOf', () => {
  test('in turn unless a port asks for more', () => {
    expect(spreadOf(port, nftBalancer)).toEqual({ scheduler: 'rr', affinity: 0, problems: [] });
    const asked = { ...port, scheduler: 'lc', affinity: 60 } as const;
    expect(spreadOf(asked, ipvs)).toEqual({ scheduler: 'lc', affinity: 60, problems: [] });
  });

  test.each([
    [nftBalancer, 'lc', 'port 8080/tcp is balanced in turn (rr) on this node; it asks for lc, which the balancer nft'],
    [ipvs, 'mh', 'it asks for mh, which this kernel does not have: run "modprobe ip_vs_mh"'],
  ] as const)('%#: a scheduler that is not there is told', (balancer, scheduler, words) => {
    const spread = spreadOf({ ...port, scheduler }, balancer);
    expect(spread.scheduler).toBe('rr');
    expect(spread.problems).toEqual([expect.stringContaining(words)]);
  });

  test('IPVS has no affinity where the port of the packets is a stand-in, which is told; nft has', () => {
    const standIn = { ...port, hostAddress: '192.0.2.7', entry: 65535, affinity: 60 };
    expect(spreadOf(standIn, ipvs)).toMatchObject({
      affinity: 0,
      problems: [expect.stringContaining('port 192.0.2.7:8080/tcp has no affinity on this node')],
    });
    expect(spreadOf(standIn, nftBalancer)).toMatchObject({ affinity: 60, problems: [] });
  });
});
