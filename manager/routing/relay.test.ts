import { expect, onTestFinished, test } from 'vitest';
import { deferred } from '../../lib/async.js';
import { notFound } from '../../lib/errors.js';
import { silentLogger } from '../../lib/log.js';
import { JoinService, LeaderRelayService } from '../../proto/gen/index.js';
import { Channel } from '../../proto/rpc/client.js';
import { type Handlers, RpcServer } from '../../proto/rpc/server.js';
import { Relay } from './relay.js';
import { RelayServer } from './relay-server.js';

const credential = { nodeId: 'n', secret: new Uint8Array(32), managerSecret: Buffer.alloc(32, 7) };
const place = { raftId: 5, group: 'g', managerSecret: new Uint8Array(0), peers: [] };

/** A leader that answers BecomeManager, and a relay to it. */
async function open(becomeManager: Handlers<typeof JoinService>['becomeManager'], secret = credential) {
  const server = new RpcServer(silentLogger);
  const relays = new RelayServer({
    isManager: (context) => context.credential?.managerSecret?.[0] === 7,
    log: silentLogger,
  });
  const none = () => Promise.reject(new RangeError('not asked for'));
  relays.add(JoinService, { joinSwarm: none, leaveSwarm: none, becomeManager });
  server.add(LeaderRelayService, relays.handlers);
  const address = `127.0.0.1:${await server.listen('127.0.0.1:0')}`;
  const channel = new Channel(address, secret);
  const relay = new Relay(channel, address);
  onTestFinished(() => {
    relay.close();
    channel.close();
    server.close();
  });
  const ask = (wanted: string, requestId?: string) =>
    relay.call(JoinService.becomeManager, { address: wanted }, requestId);
  return { server, relay, address, ask };
}

test('relay - each call gets its own answer, whatever the order', async () => {
  const slow = deferred<void>();
  const { ask } = await open(async ({ address }) => {
    if (address === 'slow') await slow.promise;
    return { ...place, group: address };
  });
  const late = ask('slow');
  const answers = await Promise.all(['a', 'b', 'c'].map((wanted) => ask(wanted)));
  expect(answers.map(({ group }) => group)).toEqual(['a', 'b', 'c']);
  slow.resolve();
  expect((await late).group).toBe('slow');
});

test('relay - calls whose requests are together too large for a message are all answered', async () => {
  const { ask } = await open(async ({ address }) => ({ ...place, raftId: address.length }));
  const sizes = [33 << 20, 33 << 20, 5];
  const answers = await Promise.all(sizes.map((size) => ask('x'.repeat(size))));
  expect(answers.map(({ raftId }) => raftId)).toEqual(sizes);
});

test('relay - a request that no message can hold fails alone', async () => {
  const { ask, relay } = await open(async () => place);
  const [large, small] = await Promise.allSettled([ask('x'.repeat(64 << 20)), ask('y')]);
  expect(large).toMatchObject({ status: 'rejected', reason: { code: 'RESOURCE_EXHAUSTED' } });
  expect(small).toMatchObject({ status: 'fulfilled' });
  expect(relay.open).toBe(true);
});

test('relay - each call goes by its own id', async () => {
  const { ask } = await open(async (_, context) => ({ ...place, group: context.requestId }));
  const answers = await Promise.all([ask('x', 'call1'), ask('x', 'call2')]);
  expect(answers.map(({ group }) => group)).toEqual(['call1', 'call2']);
});

test('relay - an error keeps its code, value and hint', async () => {
  const { ask } = await open(async ({ address }) => {
    throw notFound(`there is no ${address}`, { value: address, hint: 'look elsewhere' });
  });
  await expect(ask('x')).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: 'there is no x',
    value: 'x',
    hint: 'look elsewhere',
  });
});

test('relay - when the leader goes away it is not known what was done', async () => {
  const asked = deferred<void>();
  const { server, relay, address, ask } = await open(async () => {
    asked.resolve();
    return new Promise(() => {});
  });
  const call = ask('x').catch((error: unknown) => error);
  await asked.promise;
  server.close();
  expect(await call).toMatchObject({ code: 'UNKNOWN', value: address });
  expect(relay.open).toBe(false);
  await expect(ask('y')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

test('relay - where nobody listens nothing was done', async () => {
  const { server, address } = await open(async () => place);
  server.close();
  const channel = new Channel(address, credential);
  onTestFinished(() => channel.close());
  const call = new Relay(channel, address).call(JoinService.becomeManager, { address: 'x' });
  await expect(call).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

test('relay - only managers are let in', async () => {
  const stranger = { ...credential, managerSecret: Buffer.alloc(32, 8) };
  const { ask } = await open(async () => place, stranger);
  await expect(ask('x')).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
});
