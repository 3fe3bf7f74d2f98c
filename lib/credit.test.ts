import { expect, test } from 'vitest';
import { Credit } from './credit.js';

const never = new AbortController().signal;
const outcomeOf = (taken: Promise<boolean>) =>
  Promise.race([taken, new Promise<'waits'>((resolve) => setImmediate(() => resolve('waits')))]);

test('credit - is taken while there is some, and waited for when there is none', async () => {
  const credit = new Credit(2);
  expect([await credit.take(never), await credit.take(never)]).toEqual([true, true]);
  const third = credit.take(never);
  expect(await outcomeOf(third)).toBe('waits');
  credit.give(2);
  expect(await third).toBe(true);
  expect(await credit.take(never)).toBe(true);
  expect(await outcomeOf(credit.take(never))).toBe('waits');
});

test('credit - who waits for it gives up when the signal aborts', async () => {
  const credit = new Credit(0);
  const end = new AbortController();
  const taken = credit.take(end.signal);
  end.abort();
  expect(await taken).toBe(false);
  credit.give(1);
  expect(await credit.take(end.signal)).toBe(false);
  expect(await credit.take(never)).toBe(true);
});
