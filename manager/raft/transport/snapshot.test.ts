import { expect, it } from 'vitest';
import { deferred } from '../../../lib/async.js';
import { resourceExhausted, SwarmError } from '../../../lib/errors.js';
import { type Message, MsgType, message } from '../core/types.js';
import { app, TestManager, until } from './testing.js';

const msgSnap = message({ type: MsgType.MsgSnap, to: 2, from: 1, term: 3 });
const KiB64 = 64 << 10;

async function pair(onSnapshot: (message: Message, chunks: AsyncIterable<Uint8Array>) => Promise<void>) {
  const [one, two] = [await TestManager.start(1), await TestManager.start(2, { onSnapshot })];
  one.knows(two);
  await one.connectedTo(2);
  return { one, two };
}

it('snapshot - arrives whole, and is acknowledged when the receiver has it', async () => {
  const got: Uint8Array[] = [];
  const written = deferred<void>();
  let first: Message | undefined;
  const { one } = await pair(async (m, chunks) => {
    first = m;
    for await (const chunk of chunks) got.push(chunk);
    await written.promise;
  });
  const chunks = Array.from({ length: 100 }, (_, i) => new Uint8Array(KiB64).fill(i));
  let acknowledged = false;
  const sent = one.transport.sendSnapshot(msgSnap, chunks).then(() => {
    acknowledged = true;
  });
  await until(() => got.length === chunks.length);
  expect(acknowledged).toBe(false);
  written.resolve();
  await sent;
  expect(first).toEqual(msgSnap);
  expect(Buffer.concat(got).equals(Buffer.concat(chunks))).toBe(true);
});

it('snapshot - chunks are taken as the receiver reads, and messages do not wait behind them', async () => {
  const goOn = deferred<void>();
  let read = 0;
  const { one, two } = await pair(async (_, chunks) => {
    await goOn.promise;
    for await (const chunk of chunks) read += chunk.length;
  });
  let taken = 0;
  const chunks = function* () {
    for (; taken < 400; taken++) yield new Uint8Array(KiB64);
  };
  const sent = one.transport.sendSnapshot(msgSnap, chunks());
  // Once in a while a chunk is taken, unless nothing goes any more.
  for (let idle = 0, last = -1; idle < 200; idle = taken === last && taken > 0 ? idle + 1 : 0) {
    last = taken;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(taken).toBeLessThan(200);
  one.transport.send([app(2, 1)]);
  await until(() => two.received.length === 1);
  goOn.resolve();
  await sent;
  expect(read).toBe(400 * KiB64);
});

it('snapshot - one whose source fails is refused to the receiver as cut short', async () => {
  const outcome = deferred<unknown>();
  const { one } = await pair(async (_, chunks) => {
    try {
      for await (const _ of chunks);
      outcome.resolve('complete');
    } catch (error) {
      outcome.resolve(error);
      throw error;
    }
  });
  const chunks = function* () {
    for (let i = 0; i < 20; i++) yield new Uint8Array(KiB64);
    throw new Error('disk');
  };
  await expect(one.transport.sendSnapshot(msgSnap, chunks())).rejects.toThrow('disk');
  expect(await outcome.promise).toMatchObject({ code: 'CANCELLED' });
});

it('snapshot - the receiver may refuse it before it has read all', async () => {
  const { one } = await pair(() => Promise.reject(resourceExhausted('no space is left for a snapshot')));
  const endless = function* () {
    for (;;) yield new Uint8Array(KiB64);
  };
  await expect(one.transport.sendSnapshot(msgSnap, endless())).rejects.toMatchObject({
    code: 'RESOURCE_EXHAUSTED',
    message: 'no space is left for a snapshot',
  });
});

it('snapshot - is given up when its receiver is no peer any more, dies, or was never one', async () => {
  const begun = [deferred<void>(), deferred<void>()];
  const outcomes: unknown[] = [];
  const { one, two } = await pair(async (_, chunks) => {
    begun[outcomes.length]?.resolve();
    try {
      for await (const _ of chunks);
    } catch (error) {
      outcomes.push(error);
      throw error;
    }
  });
  const endless = function* () {
    for (;;) yield new Uint8Array(KiB64);
  };
  const first = one.transport.sendSnapshot(msgSnap, endless());
  await begun[0]?.promise;
  one.knows();
  await expect(first).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await until(() => outcomes.length === 1);

  await expect(one.transport.sendSnapshot(msgSnap, endless())).rejects.toMatchObject({ code: 'UNAVAILABLE' });

  one.knows(two);
  const second = one.transport.sendSnapshot(msgSnap, endless());
  await begun[1]?.promise;
  two.stop();
  await expect(second).rejects.toBeInstanceOf(SwarmError);
});
