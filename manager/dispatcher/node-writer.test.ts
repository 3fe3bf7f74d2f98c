import { expect, test } from 'vitest';
import { ManualClock } from '../../lib/clock.js';
import { NodeDescription, NodeProblem, NodeState, NodeStatus, SessionRequest } from '../../proto/gen/index.js';
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

test('node whose description is too large for the log - is refused, and no other with it', async () => {
  const store = await openTestStore();
  const [loud, other] = [testNode('node1'), testNode('node2')];
  await store.update((draft) => [draft.create('node', loud), draft.create('node', other)]);
  const writer = new NodeWriter(store, new ManualClock());
  const register = (id: string, hostname: string) =>
    writer.register(id, SessionRequest.create({ description: NodeDescription.create({ hostname }) }), '203.0.113.2');
  const [refused, taken] = await Promise.allSettled([register(loud.id, 'x'.repeat(2 ** 21)), register(other.id, 'b')]);
  expect(refused).toMatchObject({ status: 'rejected', reason: { code: 'RESOURCE_EXHAUSTED' } });
  expect(taken).toMatchObject({ status: 'fulfilled' });
  expect(store.view().get('node', other.id)?.description.hostname).toBe('b');
});

test('problems that are too many, or too long, for the log are cut', async () => {
  const store = await openTestStore();
  const node = testNode('node1');
  await store.update((draft) => draft.create('node', node));
  const writer = new NodeWriter(store, new ManualClock());
  const long = NodeProblem.create({ subject: 'network a', message: 'x'.repeat(2 ** 21) });
  const problems = [long, ...Array.from({ length: 5_000 }, () => NodeProblem.create({ subject: 'port' }))];
  await writer.setApplied(node.id, { problems, networkKeyClock: 0, wornNetworkKey: 0 });
  const kept = store.view().get('node', node.id)?.problems ?? [];
  expect(kept[0]).toMatchObject({ subject: 'network a', message: expect.stringMatching(/^x{500}…$/) });
  expect(kept.slice(-1)).toMatchObject([{ message: '4001 more problems' }]);
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
