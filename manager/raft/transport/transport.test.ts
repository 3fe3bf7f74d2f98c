import { createServer, type Socket } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { type Clock, systemClock } from '../../../lib/clock.js';
import { silentLogger } from '../../../lib/log.js';
import { RaftHello, RaftTransportService } from '../../../proto/gen/raft-transport.js';
import { RpcServer } from '../../../proto/rpc/server.js';
import { app, relay, TestManager, until } from './testing.js';

const indexes = (manager: TestManager) => manager.received.map(({ index }) => index);
const listening = (server: RpcServer) => server.listen('127.0.0.1:0').then((port) => `127.0.0.1:${port}`);

/** Does not try again by itself, so that what makes it try shows. */
const patientClock = { ...systemClock, sleep: (_: number, signal?: AbortSignal) => systemClock.sleep(600_000, signal) };

it('messages - arrive in the order of their sending, over streams in both directions', async () => {
  const [one, two] = [await TestManager.start(1), await TestManager.start(2)];
  one.knows(two);
  two.knows(one);
  await Promise.all([one.connectedTo(2), two.connectedTo(1)]);
  const sent = Array.from({ length: 2_000 }, (_, i) => i + 1);
  for (const i of sent) one.transport.send([app(2, i), app(2, i)]);
  two.transport.send([app(1, 7)]);
  await until(() => two.received.length === 2 * sent.length && one.received.length === 1);
  expect(indexes(two)).toEqual(sent.flatMap((i) => [i, i]));
  expect(one.received).toEqual([app(1, 7)]);
  expect(one.unreachable).toEqual([]);
});

it('messages - entries of many sizes arrive as they were sent', async () => {
  const [one, two] = [await TestManager.start(1), await TestManager.start(2)];
  one.knows(two);
  await one.connectedTo(2);
  const sent = [0, 1, 100, 70_000, 1 << 20, 9 << 20, 3].map((size, i) => app(2, i, new Uint8Array(size).fill(i)));
  one.transport.send(sent);
  await until(() => two.received.length === sent.length);
  for (const [i, { entries }] of two.received.entries()) {
    const [got, expected] = [entries[0]?.data, sent[i]?.entries[0]?.data];
    expect(Buffer.compare(got ?? Buffer.of(1), expected ?? Buffer.of(2))).toBe(0);
  }
});

it('messages - to whom there is no connection they are dropped, and that is reported once, afterwards', async () => {
  const one = await TestManager.start(1);
  one.transport.send([app(2, 1), app(2, 2), app(3, 1)]);
  expect(one.unreachable).toEqual([]);
  await until(() => one.unreachable.length > 0);
  expect(one.unreachable).toEqual([2, 3]);
});

it('messages - a peer that reads nothing gets its queue filled, and no more', async () => {
  const server = new RpcServer(silentLogger);
  onTestFinished(() => server.close());
  server.add(RaftTransportService, {
    async *stream(_, { signal }) {
      yield RaftHello.create({ group: 'swarm', from: 2 });
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    },
    snapshot: () => Promise.reject(new Error('no snapshot is expected')),
  });
  let ahead = 0;
  const one = await TestManager.start(1, {
    clock: { ...systemClock, monotonic: () => systemClock.monotonic() + ahead },
  });
  one.transport.setPeers(new Map([[2, await listening(server)]]));
  await one.connectedTo(2);
  const data = new Uint8Array(100_000);
  for (let sent = 0; one.unreachable.length === 0; sent += data.length) {
    expect(sent).toBeLessThan(100 << 20);
    one.transport.send([app(2, sent, data)]);
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (let i = 0; i < 100; i++) one.transport.send([app(2, i, data)]);
  await new Promise((resolve) => setImmediate(resolve));
  expect(one.unreachable).toEqual([2]);
  expect(one.lost).toEqual([]);

  ahead = 6_000;
  one.transport.send([app(2, 0)]);
  await until(() => one.lost.length > 0);
  expect(one.lost[0]).toEqual({ peer: 2, refused: false });
});

it('reconnect - after the peer was restarted, and its death is told apart', async () => {
  const [one, two] = [await TestManager.start(1), await TestManager.start(2)];
  one.knows(two);
  await one.connectedTo(2);
  two.stop();
  await until(() => one.lost.some(({ refused }) => refused));
  expect(one.lost[0]).toEqual({ peer: 2, refused: false });
  expect(one.unreachable).toContain(2);
  expect(one.transport.peers.get(2)).toMatchObject({ connected: false, error: `nobody listens at ${two.address}` });

  const again = await TestManager.start(2, { port: two.port });
  await one.connectedTo(2);
  expect(one.transport.peers.get(2)).not.toHaveProperty('error');
  one.transport.send([app(2, 5)]);
  await until(() => again.received.length === 1);
});

it('reconnect - at once when the peer calls', async () => {
  const one = await TestManager.start(1, { clock: patientClock });
  const two = await TestManager.start(2);
  two.stop();
  one.knows(two);
  await until(() => one.lost.length > 0);
  const again = await TestManager.start(2, { port: two.port });
  again.knows(one);
  await one.connectedTo(2);
});

it('silence - a peer that accepts and says nothing is not lost', async () => {
  const sockets: Socket[] = [];
  const frozen = createServer((socket) => sockets.push(socket.resume()));
  await new Promise<void>((resolve) => frozen.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void frozen.close());
  const one = await TestManager.start(1);
  const { port } = frozen.address() as { port: number };
  one.transport.setPeers(new Map([[2, `127.0.0.1:${port}`]]));
  await until(() => sockets.length > 1);
  expect(one.transport.peers.get(2)?.error).toBe(`127.0.0.1:${port} does not answer`);
  expect(one.lost).toEqual([]);
  one.transport.send([app(2, 1)]);
  await until(() => one.unreachable.length > 0);
});

it('silence - a connection through which nothing comes is given up, and made anew when something does', async () => {
  const [one, two] = [await TestManager.start(1), await TestManager.start(2)];
  const between = await relay(two.port);
  one.transport.setPeers(new Map([[2, between.address]]));
  await one.connectedTo(2);
  between.freeze();
  await until(() => one.lost.length > 0);
  expect(one.lost).toEqual([{ peer: 2, refused: false }]);
  await until(() => one.transport.peers.get(2)?.error === `${between.address} does not answer`);
  between.thaw();
  await one.connectedTo(2);
  one.transport.send([app(2, 9)]);
  await until(() => indexes(two).includes(9));
});

it('addresses - a peer that calls from another one is dialled there', async () => {
  const one = await TestManager.start(1, { clock: patientClock });
  const before = await TestManager.start(2);
  one.knows(before);
  await one.connectedTo(2);
  const after = await TestManager.start(2);
  after.knows(one);
  await until(() => one.transport.peers.get(2)?.address === after.address);
  await one.connectedTo(2);
  expect(one.learned).toEqual([{ peer: 2, address: after.address }]);
  one.transport.send([app(2, 1)]);
  await until(() => after.received.length === 1);

  // What was learned holds until the address that is set changes.
  one.knows(before);
  expect(one.transport.peers.get(2)?.address).toBe(after.address);
  one.transport.setPeers(new Map([[2, before.address.replace('127.0.0.1', 'localhost')]]));
  await one.connectedTo(2);
  expect(one.transport.peers.get(2)?.address).toBe(`localhost:${before.port}`);
});

it('addresses - one of a caller that is no peer yet is told', async () => {
  const [one, two] = [await TestManager.start(1), await TestManager.start(2)];
  two.knows(one);
  await two.connectedTo(1);
  expect(one.learned).toEqual([{ peer: 2, address: two.address }]);
});

it('stop - leaves no timer, no socket and no call behind', async () => {
  // Unlike vitest's own, what is left in them goes away by itself.
  const kinds = ['TCPSocketWrap', 'TCPServerWrap', 'TCPConnectWrap', 'GetAddrInfoReqWrap'];
  const open = () => process.getActiveResourcesInfo().filter((kind) => kinds.includes(kind)).length;
  await until(() => open() === 0);
  let timers = 0;
  const clock: Clock = {
    ...systemClock,
    after(ms, callback) {
      timers++;
      const cancel = systemClock.after(ms, callback);
      return () => {
        timers--;
        cancel();
      };
    },
    sleep(ms, signal) {
      timers++;
      return systemClock.sleep(ms, signal).finally(() => timers--);
    },
  };
  const [one, two] = [await TestManager.start(1, { clock }), await TestManager.start(2)];
  const silent = createServer((socket) => socket.resume());
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address() as { port: number };
  const addresses = [two.address, '127.0.0.1:1', `127.0.0.1:${port}`];
  one.transport.setPeers(new Map(addresses.map((address, i) => [i + 2, address])));
  await one.connectedTo(2);
  await until(() => one.lost.length > 1);
  expect(timers).toBeGreaterThan(0);

  one.stop();
  two.stop();
  silent.close();
  const calls = one.lost.length + one.unreachable.length;
  one.transport.send([app(2, 1)]);
  await until(() => open() === 0 && timers === 0);
  expect(one.lost.length + one.unreachable.length).toBe(calls);
});
