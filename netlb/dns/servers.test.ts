import { expect, it } from 'vitest';
import { DISTRUST, parseNameservers, ServerOrder } from './servers.js';

it('servers are those of nameserver lines that are addresses, loopback ones too', () => {
  const text =
    '# nameserver 192.0.2.9\nnameserver 127.0.0.53\n nameserver\t2001:db8::1 # second\nnameserver fe80::1%eth0\nnameserver x\nsearch a';
  expect(parseNameservers(text)).toEqual(['127.0.0.53', '2001:db8::1']);
});

it('three servers at most are asked, in their order', () => {
  expect(new ServerOrder().order(['a', 'b', 'c', 'd'], 0)).toEqual(['a', 'b', 'c']);
});

it('one that did not answer is last, until it answers or some time has passed', () => {
  const order = new ServerOrder();
  order.failed('a', 1000);
  expect(order.order(['a', 'b', 'c'], 1000)).toEqual(['b', 'c', 'a']);
  expect(order.order(['a', 'b', 'c'], 1000 + DISTRUST)).toEqual(['a', 'b', 'c']);
  order.answered('a');
  expect(order.order(['a', 'b', 'c'], 1000)).toEqual(['a', 'b', 'c']);
  for (const server of ['a', 'b']) order.failed(server, 2000);
  expect(order.order(['a', 'b'], 2000)).toEqual(['a', 'b']);
});
