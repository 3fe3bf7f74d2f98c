import { describe, expect, test } from 'vitest';
import { NODE_NAMESPACE } from '../names.js';
import type { Action } from './operation.js';
import { NO_ENTRIES } from './tunnels.js';
import { doneIn, foundBy } from './words.js';

const words = (action: Action, namespace = '1-network100') =>
  foundBy({ ...action, namespace, subject: { kind: 'overlay', id: 'network1' } });

test('what was done - by namespace, in order; many are counted', () => {
  const subject = { kind: 'overlay', id: 'network1' } as const;
  const address = (n: number) =>
    ({ kind: 'add-address', link: 'br0', cidr: `10.0.1.${n}/24`, subject, namespace: '1-network100' }) as const;
  const raise = { kind: 'raise-loopback', subject, namespace: NODE_NAMESPACE } as const;
  expect(doneIn([raise, address(1)])).toEqual({
    node: ['raise-loopback'],
    '1-network100': ['add-address 10.0.1.1/24 br0'],
  });
  const many = doneIn(Array.from({ length: 30 }, (_, n) => address(n)))['1-network100'];
  expect(many).toHaveLength(21);
  expect(many?.at(-1)).toBe('and 10 more');
});

describe('differences in words', () => {
  test('entries of a remote endpoint - each is named with its device and place', () => {
    const remote = { neighbour: { address: '10.0.1.7', mac: '02:42:0a:00:01:07' } };
    expect(words({ kind: 'add-remotes', vxlan: 'vxlan0', remotes: [remote], leaves: NO_ENTRIES })).toEqual([
      'the neighbour 10.0.1.7 (02:42:0a:00:01:07) of vxlan0 was missing (in 1-network100)',
    ]);
    const forward = { forward: { mac: '02:42:0a:00:01:07', vtep: '192.0.2.2' } };
    expect(words({ kind: 'remove-remotes', vxlan: 'vxlan0', remotes: [forward], leaves: NO_ENTRIES })).toEqual([
      'nothing asked for the FDB entry 02:42:0a:00:01:07 dst 192.0.2.2 of vxlan0 (in 1-network100)',
    ]);
  });

  test('many of a kind - three are named and the others counted', () => {
    const remotes = Array.from({ length: 10 }, (_, i) => ({ neighbour: { address: `10.0.1.${i}`, mac: 'm' } }));
    expect(words({ kind: 'add-remotes', vxlan: 'vxlan0', remotes, leaves: NO_ENTRIES })).toEqual([
      expect.stringContaining('10.0.1.0'),
      expect.stringContaining('10.0.1.1'),
      'the neighbour 10.0.1.2 (m) of vxlan0 was missing, and 7 more like it (in 1-network100)',
    ]);
  });

  test("the node's own namespace - needs no name", () => {
    expect(
      words({ kind: 'set-sysctl', key: 'net.ipv4.ip_forward', value: '1', optional: false }, NODE_NAMESPACE),
    ).toEqual(['net.ipv4.ip_forward was not 1']);
  });

  test('a link that was changed in several ways', () => {
    expect(words({ kind: 'change-link', name: 'vxlan0', change: { up: true, mtu: 1450, master: 'br0' } })).toEqual([
      'vxlan0 had another MTU than 1450 (in 1-network100)',
      'vxlan0 was down (in 1-network100)',
      'vxlan0 was no port of br0 (in 1-network100)',
    ]);
  });

  test('a chain whose rules were changed - is one difference', () => {
    const commands = [
      'flush chain ip tsswarm publish',
      'add rule ip tsswarm publish accept comment "a"',
      'add rule ip tsswarm publish drop comment "b"',
      'add element ip tsswarm ingress_ports { 6 . 8080 }',
    ];
    expect(words({ kind: 'run-nft', commands, leaves: new Map() })).toEqual([
      'nftables differed: flush chain ip tsswarm publish, add element ip tsswarm ingress_ports (in 1-network100)',
    ]);
  });

  test('cutting connections - is no difference of its own', () => {
    expect(words({ kind: 'forget-flows', flows: [], ways: [], journal: [], leaves: new Map() })).toEqual([]);
  });
});
