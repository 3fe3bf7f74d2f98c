import { expect, it } from 'vitest';
import type { Message } from '../core/types.js';
import { Outbox } from './outbox.js';
import { app } from './testing.js';

function reader(outbox: Outbox, now = () => 0) {
  const batches = outbox.batches(now);
  return async () => (await batches.next()).value as readonly Message[] | undefined;
}

it('outbox - what is pushed in one turn is read as one batch', async () => {
  const outbox = new Outbox();
  const next = reader(outbox);
  const batch = next();
  for (let i = 1; i <= 3; i++) outbox.push(app(2, i));
  expect((await batch)?.map(({ index }) => index)).toEqual([1, 2, 3]);
});

it('outbox - batches are bounded in bytes, but for a message that is bigger alone', async () => {
  const outbox = new Outbox();
  const next = reader(outbox);
  for (const [i, size] of [400_000, 400_000, 400_000, 5_000_000, 1].entries())
    outbox.push(app(2, i, new Uint8Array(size)));
  const sizes: number[] = [];
  for (let i = 0; i < 4; i++) sizes.push((await next())?.length ?? 0);
  expect(sizes).toEqual([2, 1, 1, 1]);
});

it('outbox - full by messages or by bytes, until some are read', async () => {
  const outbox = new Outbox();
  const next = reader(outbox);
  let count = 0;
  while (outbox.push(app(2, count))) count++;
  expect(count).toBeGreaterThan(1_000);
  expect(count).toBeLessThan(10_000);
  await next();
  expect(outbox.push(app(2, 0))).toBe(true);

  const big = new Outbox();
  const data = new Uint8Array(10 << 20);
  expect([1, 2, 3, 4].map((i) => big.push(app(2, i, data)))).toEqual([true, true, true, false]);
  expect(big.push(app(2, 5))).toBe(true);
});

it('outbox - tells since when its reader has been busy', async () => {
  let now = 10;
  const outbox = new Outbox();
  const next = reader(outbox, () => now);
  outbox.push(app(2, 1));
  expect(outbox.busySince).toBeUndefined();
  await next();
  now = 20;
  expect(outbox.busySince).toBe(10);
  const waiting = next();
  await Promise.resolve();
  expect(outbox.busySince).toBeUndefined();
  outbox.close();
  expect(await waiting).toBeUndefined();
  expect(outbox.push(app(2, 2))).toBe(false);
});
