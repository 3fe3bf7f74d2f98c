import { describe, expect, it } from 'vitest';
import {
  addressOf,
  canonicalAddress,
  contains,
  formatAddress,
  formatCidr,
  isAddress,
  macOf,
  overlaps,
  parseAddress,
  parseCidr,
} from './ip.js';

describe('ip - addresses', () => {
  it.each(['0.0.0.0', '10.0.1.5', '255.255.255.255', '::', '::1', 'fd00::5', 'fd00:0:0:1::', '2001:db8:1:2:3:4:5:6'])(
    'reads %s and writes it back',
    (text) => expect(formatAddress(parseAddress(text))).toBe(text),
  );

  it('shortens the longest run of zero groups', () => {
    expect(formatAddress(parseAddress('1:0:0:2:0:0:0:3'))).toBe('1:0:0:2::3');
    expect(formatAddress(parseAddress('::ffff:10.0.0.1'))).toBe('::ffff:a00:1');
  });

  it.each(['', '10.0.1', '10.0.1.256', 'fe80::1%eth0', '10.0.1.5/24', 'web'])('refuses "%s" and names it', (text) => {
    expect(() => parseAddress(text)).toThrow(`"${text}" is not an IP address`);
  });
});

describe('ip - subnets', () => {
  it('gives the block of an interface address', () => {
    const cidr = parseCidr('10.0.9.7/24');
    expect(formatCidr(cidr)).toBe('10.0.9.0/24');
    expect(formatAddress({ family: 4, value: cidr.last })).toBe('10.0.9.255');
    expect(formatAddress({ family: 4, value: cidr.address })).toBe('10.0.9.7');
  });

  it.each(['10.0.9.0', '10.0.9.0/33', '10.0.9.0/', '/24', 'fd00::/129', 'x/24'])(
    'refuses "%s" and names it',
    (text) => {
      expect(() => parseCidr(text)).toThrow(`"${text}" is not a subnet`);
    },
  );

  it('knows which blocks overlap', () => {
    expect(overlaps(parseCidr('10.0.0.0/8'), parseCidr('10.200.3.0/24'))).toBe(true);
    expect(overlaps(parseCidr('10.0.0.0/24'), parseCidr('10.0.1.0/24'))).toBe(false);
    expect(overlaps(parseCidr('0.0.0.0/0'), parseCidr('::/0'))).toBe(false);
  });

  it('knows what a block contains', () => {
    const block = parseCidr('fd00::/64');
    expect(contains(block, parseAddress('fd00::ffff'))).toBe(true);
    expect(contains(block, parseAddress('fd00:0:0:1::'))).toBe(false);
    expect(contains(block, parseAddress('10.0.0.1'))).toBe(false);
  });
});

describe('ip - endpoints', () => {
  it('derives the MAC from the IPv4 address', () => {
    expect(macOf('10.0.1.5/24')).toBe('02:42:0a:00:01:05');
  });

  it('derives the MAC from the IPv6 address, however that is written: individual and locally administered', () => {
    expect(macOf('fd00:1::5/64')).toBe(macOf('FD00:1:0:0::5'));
    expect(macOf('fd00:1::5')).toMatch(/^06(:[0-9a-f]{2}){5}$/);
    expect(macOf('fd00:1::5')).not.toBe(macOf('fd00:2::5'));
  });

  it('knows one text for an address', () => {
    expect(canonicalAddress('FD00:0:0:0::05')).toBe('fd00::5');
    expect(canonicalAddress('10.0.1.5')).toBe('10.0.1.5');
    expect(() => canonicalAddress('10.0.1.05')).toThrow('is not an IP address');
  });

  it('knows what is an address, and that one of a link alone is none', () => {
    const texts = ['10.0.1.5', 'fd00::5', '10.0.1.05', '10.0.1.5/24', 'fe80::1%eth0', 'web', ''];
    expect(texts.filter(isAddress)).toEqual(['10.0.1.5', 'fd00::5']);
  });

  it('takes the prefix length off', () => {
    expect(addressOf('10.0.1.5/24')).toBe('10.0.1.5');
    expect(addressOf('10.0.1.5')).toBe('10.0.1.5');
  });
});
