import { describe, expect, it } from 'vitest';
import { AsyncQueue } from '../../lib/async.js';
import { batches } from './batches.js';

async function* counting(to: number): AsyncGenerator<number> {
  for (let i = 0; i < to; i++) yield i;
}

async function collect<T>(source: AsyncIterable<readonly T[]>): Promise<(readonly T[])[]> {
  const all: (readonly T[])[] = [];
  for await (const batch of source) all.push(batch);
  return all;
}

describe('batches', () => {
  it('groups what is there', async () => {
    expect(await collect(batches(counting(5), 2))).toEqual([[0, 1], [2, 3], [4]]);
    expect(await collect(batches(counting(0), 2))).toEqual([]);
  });

  it('passes on at once what comes alone', async () => {
    const queue = new AsyncQueue<number>();
    const grouped = batches(queue, 10);
    queue.push(1);
    expect((await grouped.next()).value).toEqual([1]);
    queue.push(2, 3);
    expect((await grouped.next()).value).toEqual([2, 3]);
    queue.end();
    expect((await grouped.next()).done).toBe(true);
  });

  it('reads at most one item ahead', async () => {
    let read = 0;
    async function* source() {
      for (;;) yield read++;
    }
    const grouped = batches(source(), 3);
    await grouped.next();
    await new Promise((resolve) => setImmediate(resolve));
    expect(read).toBeLessThanOrEqual(4);
    await grouped.return(undefined);
  });

  it('gives what came before a failure, then the failure', async () => {
    async function* source() {
      yield 1;
      throw new Error('disk');
    }
    const grouped = batches(source(), 1);
    expect((await grouped.next()).value).toEqual([1]);
    await new Promise((resolve) => setImmediate(resolve));
    await expect(grouped.next()).rejects.toThrow('disk');
  });
});
