import { expect, test } from 'vitest';
import { ManualClock } from '../../lib/clock.js';
import { NodeState, NodeStatus, SessionRequest } from '../../proto/gen/index.js';
import { openTestStore } from '../store/testing.js';
import { testNode } from '../testing/objects.js';
import { addressOfPeer, NodeWriter } from './node-writer.js';

test('node that has left - stays DOWN, whatever of its session was still under way', async () => {
  const store = await openTestStore();
  const status = NodeStatus.create({ state: NodeState.DOWN });
  const left = testNode('node1', { status, credentialDigest: new Uint8Array(0) });
  await store.update((draft) => draft.create('node', left));
  const writer = new NodeWriter(store, new ManualClock());
  await writer.register(left.id, SessionRequest.create(), '203.0.113.2');
  await writer.setState(left.id, NodeState.UNKNOWN, 'another leader', () => true);
  expect(store.view().get('node', left.id)?.status.state).toBe(NodeState.DOWN);
});

test.each([
  ['ipv4:203.0.113.2:40000', '203.0.113.2'],
  ['203.0.113.2:40000', '203.0.113.2'],
  ['[2001:db8::7]:40000', '2001:db8::7'],
  ['ipv6:[2001:db8::7]:40000', '2001:db8::7'],
  ['::ffff:203.0.113.2:40000', '203.0.113.2'],
  ['[fe80::1%eth0]:40000', 'fe80::1'],
  ['unix:/run/tsswarm/tsswarm.sock', ''],
  ['unknown', ''],
])('addressOfPeer - %s', (peer, address) => {
  expect(addressOfPeer(peer)).toBe(address);
});
