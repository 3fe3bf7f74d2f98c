import { expect, test } from 'vitest';
import { NewestWriter } from './newest-writer.js';

test.each([0, 1, 2, 3, 4, 5, 6])('put - is written when it comes %i steps after the one before', async (steps) => {
  const written: number[] = [];
  const writer = new NewestWriter<number>(async (value) => void written.push(value));
  const first = writer.put(1);
  for (let i = 0; i < steps; i++) await Promise.resolve();
  await writer.put(2);
  await first;
  expect(written.at(-1)).toBe(2);
});

test('put - of those that come during a write only the newest is written', async () => {
  const written: number[] = [];
  const writer = new NewestWriter<number>(async (value) => {
    written.push(value);
    await new Promise((resolve) => setImmediate(resolve));
  });
  await Promise.all([1, 2, 3].map((value) => writer.put(value)));
  expect(written).toEqual([1, 3]);
  await writer.idle();
});

test('put - goes on after a write that failed', async () => {
  const written: number[] = [];
  const writer = new NewestWriter<number>(async (value) => {
    if (value === 1) throw new Error('disk full');
    written.push(value);
  });
  await expect(writer.put(1)).rejects.toThrow('disk full');
  await writer.put(2);
  expect(written).toEqual([2]);
});
