import { expect, test } from 'vitest';
import { testCluster, testNetwork } from '../testing/objects.js';
import { NetworkBook } from './network-book.js';

test('addresses of nodes - are in no subnet that nobody chose; what is no address, or of a link alone, keeps nobody', () => {
  const book = new NetworkBook();
  book.useCluster({ ...testCluster(), defaultAddressPools: ['10.0.0.0/22'] });
  book.avoid('node1', ['10.0.0.7', '']);
  book.avoid('node2', ['node2.example', 'fe80::1%eth0']);
  expect(book.allocate(testNetwork('front')).ipam.map(({ subnet }) => subnet)).toEqual(['10.0.1.0/24']);
});
