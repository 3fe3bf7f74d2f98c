import { expect, it } from 'vitest';
import { ManualClock } from '../../../lib/clock.js';
import { type Message, MsgType, message } from '../core/types.js';
import { HOLD, Outbox } from './outbox.js';
import { app } from './testing.js';

function reader(outbox: Outbox) {
  const batches = outbox.batches();
  return async () => (await batches.next()).value as readonly Message[] | undefined;
}

it('outbox - what is pushed in one turn is read as one batch', async () => {
  const outbox = new Outbox(new ManualClock());
  const next = reader(outbox);
  const batch = next();
  for (let i = 1; i <= 3; i++) outbox.push(app(2, i));
  expect((await batch)?.map(({ index }) => index)).toEqual([1, 2, 3]);
});

it('outbox - batches are bounded in bytes, but for a message that is bigger alone', async () => {
  const outbox = new Outbox(new ManualClock());
  const next = reader(outbox);
  for (const [i, size] of [400_000, 400_000, 400_000, 5_000_000, 1].entries())
    outbox.push(app(2, i, new Uint8Array(size)));
  const sizes: number[] = [];
  for (let i = 0; i < 4; i++) sizes.push((await next())?.length ?? 0);
  expect(sizes).toEqual([2, 1, 1, 1]);
});

it('outbox - full by messages or by bytes, until some are read', async () => {
  const outbox = new Outbox(new ManualClock());
  const next = reader(outbox);
  let count = 0;
  while (outbox.push(app(2, count))) count++;
  expect(count).toBeGreaterThan(1_000);
  expect(count).toBeLessThan(10_000);
  await next();
  expect(outbox.push(app(2, 0))).toBe(true);

  const big = new Outbox(new ManualClock());
  const data = new Uint8Array(10 << 20);
  expect([1, 2, 3, 4].map((i) => big.push(app(2, i, data)))).toEqual([true, true, true, false]);
  expect(big.push(app(2, 5))).toBe(true);
});

it('outbox - tells since when its reader has been busy', async () => {
  const clock = new ManualClock();
  await clock.advance(10);
  const outbox = new Outbox(clock);
  const next = reader(outbox);
  outbox.push(app(2, 1));
  expect(outbox.busySince).toBeUndefined();
  await next();
  await clock.advance(10);
  expect(outbox.busySince).toBe(10);
  const waiting = next();
  await Promise.resolve();
  expect(outbox.busySince).toBeUndefined();
  outbox.close();
  expect(await waiting).toBeUndefined();
  expect(outbox.push(app(2, 2))).toBe(false);
});

/** Entries up to `index` are committed up to `commit`. */
const tells = (index: number, commit: number, term = 1): Message =>
  message({ type: MsgType.MsgApp, to: 2, from: 1, term, index, logTerm: 1, commit });

async function batchOf(outbox: Outbox): Promise<string[]> {
  const batch = await reader(outbox)();
  return (batch ?? []).map(({ type, entries, index }) => `${type} ${index}${entries.length > 0 ? ' entries' : ''}`);
}

it('commit index - alone it waits for a moment, and only the newest goes', async () => {
  const clock = new ManualClock();
  const outbox = new Outbox(clock);
  const batch = batchOf(outbox);
  let isRead = false;
  void batch.then(() => {
    isRead = true;
  });
  expect(outbox.push(tells(4, 3))).toBe(true);
  expect(outbox.push(tells(4, 4))).toBe(true);
  await clock.advance(HOLD - 1);
  expect(isRead).toBe(false);
  await clock.advance(1);
  expect(await batch).toEqual([`${MsgType.MsgApp} 4`]);
});

it('commit index - goes with the next message, before it, unless that tells it too', async () => {
  const outbox = new Outbox(new ManualClock());
  outbox.push(tells(4, 4));
  outbox.push({ ...app(2, 4), commit: 4 });
  expect(await batchOf(outbox)).toEqual([`${MsgType.MsgApp} 4 entries`]);

  outbox.push(tells(5, 5));
  outbox.push(message({ type: MsgType.MsgReadIndexResp, to: 2, from: 1, term: 1, index: 5 }));
  expect(await batchOf(outbox)).toEqual([`${MsgType.MsgApp} 5`, `${MsgType.MsgReadIndexResp} 5`]);

  // A probe after a refusal begins earlier in the log; another term's leader says nothing of this one's.
  outbox.push(tells(6, 6));
  outbox.push({ ...app(2, 3), commit: 6 });
  expect(await batchOf(outbox)).toEqual([`${MsgType.MsgApp} 6`, `${MsgType.MsgApp} 3 entries`]);
  outbox.push(tells(7, 7));
  outbox.push(tells(8, 8, 2));
  expect(await batchOf(outbox)).toEqual([`${MsgType.MsgApp} 7`]);
});

it('commit index - what is held when the box is closed is gone, and no timer left', async () => {
  const clock = new ManualClock();
  const outbox = new Outbox(clock);
  outbox.push(tells(4, 4));
  outbox.close();
  await clock.advance(2 * HOLD);
  expect(outbox.push(tells(5, 5))).toBe(false);
  expect(await batchOf(outbox)).toEqual([]);
});
