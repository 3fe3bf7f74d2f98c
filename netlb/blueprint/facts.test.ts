import { describe, expect, test } from 'vitest';
import { assignGatewayAddresses, assignMarks, ingressGatewayAddress, overlayMtu } from './facts.js';

describe('gateway addresses', () => {
  const assign = (
    namespaces: readonly string[],
    current: Readonly<Record<string, string>> = {},
    cidr = '172.18.0.1/16',
  ) => Object.fromEntries(assignGatewayAddresses(cidr, namespaces, new Map(Object.entries(current))));

  test('start after the bridge and ingress_sbox', () => {
    expect(ingressGatewayAddress('172.18.0.1/16')).toBe('172.18.0.2/16');
    expect(assign(['a', 'b'])).toEqual({ a: '172.18.0.3/16', b: '172.18.0.4/16' });
  });

  test('a namespace keeps what it has, others fill the gaps', () => {
    expect(assign(['a', 'b', 'c'], { b: '172.18.0.3/16' })).toEqual({
      a: '172.18.0.4/16',
      b: '172.18.0.3/16',
      c: '172.18.0.5/16',
    });
  });

  test.each([
    ['of another subnet', { a: '172.19.0.3/16' }],
    ['of another size', { a: '172.18.0.9/24' }],
    ['that is the bridge’s', { a: '172.18.0.1/16' }],
    ['that is ingress_sbox’s', { a: '172.18.0.2/16' }],
  ])('an address %s is not kept', (_, current) => {
    expect(assign(['a'], current)).toEqual({ a: '172.18.0.3/16' });
  });

  test('of two that have the same, one keeps it', () => {
    expect(assign(['a', 'b'], { a: '172.18.0.7/16', b: '172.18.0.7/16' })).toEqual({
      a: '172.18.0.7/16',
      b: '172.18.0.3/16',
    });
  });

  test('a full subnet leaves the last without', () => {
    expect(assign(['a', 'b', 'c', 'd'], { d: '10.9.0.5/29' }, '10.9.0.1/29')).toEqual({
      d: '10.9.0.5/29',
      a: '10.9.0.3/29',
      b: '10.9.0.4/29',
      c: '10.9.0.6/29',
    });
    expect(assign(['a', 'b', 'c', 'd', 'e'], {}, '10.9.0.1/29')).not.toHaveProperty('e');
  });
});

describe('marks', () => {
  test('kept, then the lowest free from 0x100', () => {
    const current = new Map([
      ['6 . 81', 0x101],
      ['6 . 99', 0x100],
      ['6 . 82', 0x101],
      ['6 . 83', 7],
    ]);
    expect([...assignMarks(['6 . 80', '6 . 81', '6 . 82', '6 . 83'], current)].sort()).toEqual([
      ['6 . 80', 0x100],
      ['6 . 81', 0x101],
      ['6 . 82', 0x102],
      ['6 . 83', 0x103],
    ]);
  });
});

test('overlay MTU - as asked, or the underlay’s less VXLAN’s headers', () => {
  expect(overlayMtu(0, 9000)).toBe(8950);
  expect(overlayMtu(1400, 9000)).toBe(1400);
  expect(overlayMtu(0, undefined)).toBe(1450);
});
