import { yieldToLoop } from '../../lib/async.js';

/**
 * The items of a stream in groups: those that are there without waiting, until they weigh `limit`. A
 * slow stream is passed on item by item, a fast one in full groups; one item is read ahead of the reader.
 */
export async function* batches<T>(
  source: AsyncIterable<T>,
  limit: number,
  weight: (item: T) => number = () => 1,
): AsyncGenerator<readonly T[]> {
  const items = source[Symbol.asyncIterator]();
  try {
    let next = ask(items);
    for (;;) {
      const batch: T[] = [];
      let total = 0;
      let result: IteratorResult<T> | undefined = await next;
      while (result && !result.done) {
        batch.push(result.value);
        total += weight(result.value);
        next = ask(items);
        result = total < limit ? await Promise.race([next, yieldToLoop().then(() => undefined)]) : undefined;
      }
      if (batch.length > 0) yield batch;
      if (result?.done) return;
    }
  } finally {
    await items.return?.();
  }
}

/** A failure is thrown where the item is awaited, perhaps only after the reader has come back for more. */
function ask<T>(items: AsyncIterator<T>): Promise<IteratorResult<T>> {
  const next = items.next();
  next.catch(() => undefined);
  return next;
}
