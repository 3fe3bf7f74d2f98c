import { expect, test } from 'vitest';
import { addressOfPeer } from './node-writer.js';

test.each([
  ['ipv4:203.0.113.2:40000', '203.0.113.2'],
  ['203.0.113.2:40000', '203.0.113.2'],
  ['[2001:db8::7]:40000', '2001:db8::7'],
  ['ipv6:[2001:db8::7]:40000', '2001:db8::7'],
  ['::ffff:203.0.113.2:40000', '203.0.113.2'],
  ['unix:/run/tsswarm/tsswarm.sock', ''],
  ['unknown', ''],
])('addressOfPeer - %s', (peer, address) => {
  expect(addressOfPeer(peer)).toBe(address);
});
