import { describe, expect, test } from 'vitest';
import { checkDnsConfig } from './dns-config.js';

const none = { nameservers: [], search: [], options: [] };

describe('checkDnsConfig', () => {
  test('what resolv.conf can have', () => {
    expect(() =>
      checkDnsConfig({
        nameservers: ['192.0.2.53', 'fd00::53'],
        search: ['.', 'example.com', 'example.com.', '_tcp.example'],
        options: ['ndots:2', 'timeout:1', 'use-vc', 'no-such-option:yet'],
      }),
    ).not.toThrow();
  });

  test.each([
    [{ nameservers: ['ns.example'] }, '"ns.example" is not the address of a name server'],
    [{ nameservers: ['fe80::1%eth0'] }, '"fe80::1%eth0" is not the address of a name server'],
    [{ search: ['a b'] }, '"a b" is not a search domain'],
    [{ search: ['a\nnameserver 192.0.2.66'] }, 'is not a search domain'],
    [{ options: ['ndots:1\nnameserver 192.0.2.66'] }, '"ndots:1\\nnameserver 192.0.2.66" is not a DNS option'],
    [{ options: ['ndots: 1'] }, '"ndots: 1" is not a DNS option'],
    [{ options: [''] }, '"" is not a DNS option'],
  ])('%j', (wrong, message) => {
    expect(() => checkDnsConfig({ ...none, ...wrong })).toThrow(message);
  });
});
