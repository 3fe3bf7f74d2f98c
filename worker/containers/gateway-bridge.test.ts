import { expect, test } from 'vitest';
import { parseCidr } from '../../lib/ip.js';
import { chooseGatewayBridge } from './gateway-bridge.js';

const choose = (taken: readonly string[], there: readonly string[] = []) =>
  chooseGatewayBridge(
    undefined,
    there,
    taken.map((cidr) => ({ cidr: parseCidr(cidr), owner: 'somebody' })),
  );
const upTo = (last: number) => Array.from({ length: last - 16 }, (_, i) => `172.${17 + i}.0.0/16`);

test.each<[string, readonly string[], string]>([
  ['an empty machine', [], '172.18.0.1/16'],
  ['docker with its bridge and its own swarm_gwbridge', ['172.17.0.0/16', '172.18.0.0/16'], '172.19.0.1/16'],
  ['a part of the first', ['172.18.200.0/24'], '172.19.0.1/16'],
  ['an address of an interface', ['172.18.0.7/16', '10.0.0.5/8'], '172.19.0.1/16'],
  ['networks of our own', ['172.18.0.0/16', '172.20.0.0/16'], '172.19.0.1/16'],
  ['a VPN that has all of them', ['172.16.0.0/12'], '192.168.0.1/20'],
  ['a home network beside that', ['172.16.0.0/12', '192.168.1.0/24'], '192.168.16.1/20'],
  ['all but the last', upTo(30), '172.31.0.1/16'],
  ['IPv6 alone', ['fd00::/8'], '172.18.0.1/16'],
  ['nothing left', ['172.16.0.0/12', '192.168.0.0/16'], '172.18.0.1/16'],
])('gateway bridge - on a machine with %s', (_, taken, address) => {
  expect(choose(taken).address).toBe(address);
});

test('gateway bridge - what is there stays, whatever came meanwhile', () => {
  expect(choose(['172.23.0.0/24'], ['fd00:7473:0:5::1/64', '172.23.0.1/16'])).toEqual({
    address: '172.23.0.1/16',
    address6: 'fd00:7473:0:5::1/64',
  });
  expect(choose(['172.18.0.0/16'], ['fe80::1/64', 'fd00:7473::1/64']).address).toBe('172.19.0.1/16');
});

test('gateway bridge - what is asked for comes before what is there', () => {
  expect(chooseGatewayBridge('10.9.0.1/24', ['172.18.0.1/16'], []).address).toBe('10.9.0.1/24');
});

test.each<[string, readonly string[], string]>([
  ['an empty machine', [], 'fd00:7473::1/64'],
  ['a node inside a container of another node', ['fd00:7473::/64', '172.18.0.0/16'], 'fd00:7473:0:1::1/64'],
  ['a network that has all of them', ['fd00::/16'], 'fd00:7473::1/64'],
])('gateway bridge - IPv6 on %s', (_, taken, address6) => {
  expect(choose(taken).address6).toBe(address6);
});
