import { expect, test } from 'vitest';
import { Outbox } from './outbox.js';

const outcomeOf = async (sent: Promise<boolean>) =>
  Promise.race([sent, new Promise<'waits'>((resolve) => setImmediate(() => resolve('waits')))]);

test('outbox - a sender waits until the message after its own is asked for', async () => {
  const outbox = new Outbox<string>();
  const reader = outbox[Symbol.asyncIterator]();
  const sent = outbox.send('a');
  expect((await reader.next()).value).toBe('a');
  expect(await outcomeOf(sent)).toBe('waits');
  void reader.next();
  expect(await sent).toBe(true);
});

test('outbox - what is sent before its end is taken', async () => {
  const outbox = new Outbox<string>();
  const sent = [outbox.send('a'), outbox.send('b')];
  outbox.end();
  const taken: string[] = [];
  for await (const message of outbox) taken.push(message);
  expect(taken).toEqual(['a', 'b']);
  expect(await Promise.all([...sent, outbox.send('c')])).toEqual([true, true, false]);
});

test('outbox - senders learn that the reader has gone', async () => {
  const outbox = new Outbox<string>();
  const sent = [outbox.send('a'), outbox.send('b')];
  for await (const _ of outbox) break;
  expect(await Promise.all([...sent, outbox.send('c')])).toEqual([false, false, false]);
});
