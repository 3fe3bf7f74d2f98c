import { expect, test } from 'vitest';
import { ReadOnlyQueue } from './read-only.js';
import { bytes } from './testing/cluster.js';
import { Entry, MsgType, message } from './types.js';

const read = (context: string, from = 1) =>
  message({ type: MsgType.MsgReadIndex, from, entries: [Entry.create({ data: bytes(context) })] });

test('reads - one that is confirmed confirms all before it', () => {
  const queue = new ReadOnlyQueue();
  for (const [i, name] of ['a', 'b', 'c'].entries()) queue.add(10 + i, read(name));
  expect(queue.lastPendingContext()).toEqual(bytes('c'));
  expect(queue.advance(bytes('b')).map(({ index }) => index)).toEqual([10, 11]);
  expect(queue.advance(bytes('b'))).toEqual([]);
  expect(queue.receiveAck(2, bytes('a'))).toEqual(new Map());
  expect(queue.advance(bytes('c')).map(({ index }) => index)).toEqual([12]);
  expect(queue.lastPendingContext()).toBeUndefined();
});

test('reads - a context waits once, with the index it first had', () => {
  const queue = new ReadOnlyQueue();
  queue.add(10, read('a'));
  queue.receiveAck(1, bytes('a'));
  queue.add(20, read('a', 2));
  expect([...queue.receiveAck(2, bytes('a')).keys()]).toEqual([1, 2]);
  expect(queue.advance(bytes('a')).map(({ index }) => index)).toEqual([10]);
});

test('reads - contexts are told apart by every byte', () => {
  const queue = new ReadOnlyQueue();
  const context = (last: number) => Uint8Array.of(0xff, 0x00, last);
  const request = (last: number) =>
    message({ type: MsgType.MsgReadIndex, entries: [Entry.create({ data: context(last) })] });
  queue.add(1, request(0xfe));
  queue.add(2, request(0xff));
  expect(queue.advance(context(0xff))).toHaveLength(2);
});
