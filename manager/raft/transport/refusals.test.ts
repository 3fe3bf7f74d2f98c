import { expect, it, onTestFinished } from 'vitest';
import { AsyncQueue } from '../../../lib/async.js';
import { type RaftBatch, RaftHello, RaftTransportService, SnapshotPart } from '../../../proto/gen/raft-transport.js';
import { Channel } from '../../../proto/rpc/client.js';
import { app, managerSecret, relay, TestManager, until } from './testing.js';

/** Waits for what the peers state says of the one peer. */
async function errorOf(manager: TestManager, peer = 2): Promise<string> {
  await until(() => manager.transport.peers.get(peer)?.error !== undefined);
  expect(manager.transport.peers.get(peer)?.connected).toBe(false);
  return manager.transport.peers.get(peer)?.error ?? '';
}

it('refusal - of another group', async () => {
  const [one, two] = [await TestManager.start(1, { group: 'blue' }), await TestManager.start(2, { group: 'red' })];
  one.knows(two);
  expect(await errorOf(one)).toBe('node node1 is of Raft group "blue", not of "red"');
  one.transport.send([app(2, 1)]);
  await until(() => one.unreachable.length > 0);
  expect(one.lost).toEqual([]);
  expect(two.learned).toEqual([]);
});

it('refusal - of one that has another managers secret', async () => {
  const one = await TestManager.start(1, { managerSecret: new Uint8Array(32).fill(8) });
  const two = await TestManager.start(2);
  one.knows(two);
  expect(await errorOf(one)).toBe('the caller does not prove to be a manager of this swarm');
});

it('refusal - of a manager that runs as the same member', async () => {
  const [one, copy] = [await TestManager.start(1), await TestManager.start(1)];
  one.transport.setPeers(new Map([[2, copy.address]]));
  expect(await errorOf(one)).toBe('node node1 calls itself Raft member 1, which is this manager');
});

it('refusal - another member at the address gets no message', async () => {
  const [one, three] = [await TestManager.start(1), await TestManager.start(3)];
  one.transport.setPeers(new Map([[2, three.address]]));
  expect(await errorOf(one)).toBe(`at ${three.address} node node3 answers as Raft member 3, not as member 2`);
  one.transport.send([app(2, 1)]);
  await until(() => one.unreachable.length > 0);
  expect(three.received).toEqual([]);
});

it('refusal - of callers that do not say, or lie about, who they are', async () => {
  const two = await TestManager.start(2);
  const call = async (nodeId: string | undefined, hello: RaftHello | undefined) => {
    const credential = nodeId === undefined ? undefined : { nodeId, secret: new Uint8Array(32), managerSecret };
    const channel = new Channel(two.address, credential);
    onTestFinished(() => channel.close());
    const stubs = channel.stubs(RaftTransportService);
    const batches = new AsyncQueue<RaftBatch>();
    batches.push({ hello, messages: [app(2, 1)] });
    const parts = new AsyncQueue<SnapshotPart>();
    parts.push(SnapshotPart.create({ hello, message: app(2, 1) }));
    const codes: unknown[] = [];
    for (const outcome of [stubs.stream(batches)[Symbol.asyncIterator]().next(), stubs.snapshot(parts)])
      codes.push(
        await outcome.then(
          () => 'OK',
          (error) => error.code,
        ),
      );
    expect(codes[1]).toBe(codes[0]);
    return codes[0];
  };
  const hello = RaftHello.create({ group: 'swarm', from: 1, nodeId: 'node1' });
  expect(await call(undefined, hello)).toBe('UNAUTHENTICATED');
  expect(await call('node3', hello)).toBe('UNAUTHENTICATED');
  expect(await call('node1', undefined)).toBe('INVALID_ARGUMENT');
  expect(two.received).toEqual([]);
});

it('refusal - of a second process that is the same member, while the first one lives', async () => {
  const [one, two] = [await TestManager.start(1), await TestManager.start(2)];
  one.knows(two);
  two.knows(one);
  await Promise.all([one.connectedTo(2), two.connectedTo(1)]);
  const copy = await TestManager.start(1);
  copy.knows(two);
  await until(() => copy.twins.length > 0);
  expect(copy.twins[0]).toMatchObject({ code: 'ALREADY_EXISTS', value: 'node1' });
  expect(String(copy.twins[0])).toContain('node node1 (Raft member 1) runs already, and calls from ');
  // Two goes on with the first one, at its own address.
  await Promise.all([one.connectedTo(2), two.connectedTo(1)]);
  one.transport.send([app(2, 7)]);
  await until(() => two.received.length > 0);
  expect(two.learned).toEqual([]);
  expect(one.twins).toEqual([]);
  copy.transport.send([app(2, 8)]);
  one.transport.send([app(2, 9)]);
  await until(() => two.received.length > 1);
  expect(two.received).toEqual([app(2, 7), app(2, 9)]);
});

it('a restart - one whose connection stays open behind it is no second one, even at another address', async () => {
  const two = await TestManager.start(2);
  const way = await relay(two.port);
  const one = await TestManager.start(1);
  one.transport.setPeers(new Map([[2, way.address]]));
  await one.connectedTo(2);
  // As when its machine has lost power: nobody tells the other end.
  way.freeze();
  one.stop();
  const again = await TestManager.start(1);
  again.knows(two);
  await again.connectedTo(2);
  again.transport.send([app(2, 9)]);
  await until(() => two.received.length > 0);
  expect(again.twins).toEqual([]);
  expect(two.learned).toContainEqual({ peer: 1, address: again.address });
});
