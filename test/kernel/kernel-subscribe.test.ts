import { afterEach, beforeEach, expect, test } from 'vitest';
import { deferred } from '../../lib/async.js';
import { NETLINK_ROUTE, NetlinkSocket, type Subscription } from '../../netlb/kernel/netlink.js';
import {
  deleteLink,
  newAddress,
  newBridge,
  newFdb,
  newNeighbour,
  newVeth,
  type RouteEvent,
  routeGroups,
  subscribeRoutes,
} from '../../netlb/kernel/rtnetlink.js';
import { inside, Scratch } from './kernel-scratch.js';

let scratch: Scratch;
beforeEach(() => {
  scratch = new Scratch();
});
afterEach(() => {
  scratch.close();
});

/** Resolves when an event that matches has come. */
function heard(
  subscribe: (callback: (events: readonly RouteEvent[]) => void) => Subscription,
  match: (event: RouteEvent) => boolean,
) {
  return new Promise<RouteEvent>((resolve) => {
    const subscription = subscribe((events) => {
      const found = events.find(match);
      if (found) resolve(found);
    });
    scratch.defer(() => subscription.close());
  });
}

test('subscribeRoutes - a link deleted by hand is told', async () => {
  const namespace = scratch.namespace('s');
  scratch.routeSocket(namespace).apply(newVeth({ name: 'a', peer: { name: 'b' } }));
  const gone = heard(
    (callback) => subscribeRoutes(namespace, ['link'], callback),
    (event) => event.kind === 'link' && event.gone && event.link.name === 'a',
  );
  inside(namespace, 'ip', 'link', 'delete', 'dev', 'a');
  await gone;
});

test('subscribeRoutes - addresses, routes, rules, neighbours and forwarding entries', async () => {
  const namespace = scratch.namespace('s');
  const route = scratch.routeSocket(namespace);
  route.apply(newBridge({ name: 'br0', up: true }));
  const master = route.link({ name: 'br0' })?.index ?? 0;
  route.apply(newVeth({ name: 'v0', up: true, master, peer: { name: 'v1' } }));
  const index = route.link({ name: 'v0' })?.index ?? 0;
  const expected = new Set(['address', 'route', 'rule', 'neighbour', 'fdb']);
  const all = new Promise<void>((resolve) => {
    const groups = ['ipv4Address', 'ipv4Route', 'ipv4Rule', 'neighbour'] as const;
    const subscription = subscribeRoutes(namespace, groups, (events) => {
      for (const { kind } of events) expected.delete(kind);
      if (expected.size === 0) resolve();
    });
    scratch.defer(() => subscription.close());
  });
  inside(namespace, 'ip', 'rule', 'add', 'fwmark', '1', 'table', '1000');
  const { failed } = route.batch([
    newAddress({ index: master, cidr: '10.0.1.5/24' }),
    newNeighbour({ index: master, address: '10.0.1.9', mac: '02:42:0a:00:01:09' }),
    newFdb({ index, mac: '02:42:0a:00:01:05' }),
  ]);
  expect(failed).toEqual([]);
  await all;
});

test('subscribeRoutes - what the kernel drops is told as an overflow, and what comes later as ever', async () => {
  const namespace = scratch.namespace('s');
  const route = scratch.routeSocket(namespace);
  route.apply(newBridge({ name: 'br0', up: true }));
  const index = route.link({ name: 'br0' })?.index ?? 0;
  const overflow = deferred<void>();
  const later = deferred<void>();
  const LATER = '10.9.9.9';
  const subscription = subscribeRoutes(namespace, ['neighbour'], (events) => {
    for (const event of events) {
      if (event.kind === 'overflow') overflow.resolve();
      if (event.kind === 'neighbour' && event.neighbour.address === LATER) later.resolve();
    }
  });
  scratch.defer(() => subscription.close());
  const address = (i: number) => `10.0.${i >> 8}.${i & 255}`;
  const entries = Array.from({ length: 500 }, (_, i) =>
    newNeighbour({ index, address: address(i + 1), mac: '02:42:0a:00:01:09' }),
  );
  // All within one turn of the event loop, in which nothing is read.
  for (let round = 0; round < 40; round++) {
    route.batch(entries);
    inside(namespace, 'ip', 'neigh', 'flush', 'dev', 'br0', 'nud', 'permanent');
  }
  await overflow.promise;
  route.apply(newNeighbour({ index, address: LATER, mac: '02:42:0a:00:01:09' }));
  await later.promise;
});

test('subscribeRoutes - nothing comes after close, not even from within the callback', async () => {
  const namespace = scratch.namespace('s');
  const route = scratch.routeSocket(namespace);
  let calls = 0;
  await new Promise<void>((resolve) => {
    const subscription = subscribeRoutes(namespace, ['link'], () => {
      calls++;
      subscription.close();
      subscription.close();
      resolve();
    });
    route.apply(newBridge({ name: 'br0' }));
  });
  const after = heard(
    (callback) => subscribeRoutes(namespace, ['link'], callback),
    (event) => event.kind === 'link' && event.gone,
  );
  route.apply(deleteLink({ name: 'br0' }));
  await after;
  expect(calls).toBe(1);
});

test('drain - gives what is there and does not wait', () => {
  const namespace = scratch.namespace('s');
  const socket = new NetlinkSocket({ namespace, protocol: NETLINK_ROUTE, groups: [routeGroups.link] });
  scratch.defer(() => socket.close());
  expect(socket.drain()).toEqual([]);
  inside(namespace, 'ip', 'link', 'add', 'br0', 'type', 'bridge');
  expect(socket.drain().length).toBeGreaterThan(0);
  expect(socket.drain()).toEqual([]);
});
