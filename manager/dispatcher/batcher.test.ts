import { expect, test } from 'vitest';
import { type Deferred, deferred } from '../../lib/async.js';
import { Batcher, type Failed } from './batcher.js';

const NONE: Failed<number> = new Map();

function batcher() {
  const writes: { readonly items: readonly number[]; readonly done: Deferred<Failed<number>> }[] = [];
  const collected = new Batcher<number>((items) => {
    const done = deferred<Failed<number>>();
    writes.push({ items, done });
    return done.promise;
  });
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
  return { collected, writes, turn };
}

test('the first goes out at once, those that come meanwhile together', async () => {
  const { collected, writes, turn } = batcher();
  const first = collected.add(1);
  await turn();
  const others = [collected.add(2), collected.add(3, 4)];
  await turn();
  expect(writes.map(({ items }) => items)).toEqual([[1]]);
  writes[0]?.done.resolve(NONE);
  await first;
  await turn();
  expect(writes.map(({ items }) => items)).toEqual([[1], [2, 3, 4]]);
  writes[1]?.done.resolve(NONE);
  await Promise.all(others);
});

test('a failed write fails its own items only', async () => {
  const { collected, writes, turn } = batcher();
  const first = collected.add(1);
  await turn();
  const second = collected.add(2);
  writes[0]?.done.reject(new Error('no'));
  await expect(first).rejects.toThrow('no');
  await turn();
  writes[1]?.done.resolve(NONE);
  await second;
});

test('an item that is refused fails its own caller only', async () => {
  const { collected, writes, turn } = batcher();
  const all = Promise.allSettled([collected.add(1, 2), collected.add(3)]);
  await turn();
  writes[0]?.done.resolve(new Map([[2, new Error('too large')]]));
  const [first, second] = await all;
  expect(first).toMatchObject({ status: 'rejected', reason: { message: 'too large' } });
  expect(second).toMatchObject({ status: 'fulfilled' });
});
