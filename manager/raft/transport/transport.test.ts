import { expect, it } from 'vitest';
import { app, TestManager, until } from './testing.js';

const indexes = (manager: TestManager) => manager.received.map(({ index }) => index);

it('messages - arrive in the order of their sending, over streams in both directions', async () => {
  const [one, two] = [await TestManager.start(1), await TestManager.start(2)];
  one.knows(two);
  two.knows(one);
  await Promise.all([one.connectedTo(2), two.connectedTo(1)]);
  const sent = Array.from({ length: 2_000 }, (_, i) => i + 1);
  for (const i of sent) one.transport.send([app(2, i), app(2, i)]);
  two.transport.send([app(1, 7)]);
  await until(() => two.received.length === 2 * sent.length && one.received.length === 1);
  expect(indexes(two)).toEqual(sent.flatMap((i) => [i, i]));
  expect(one.received).toEqual([app(1, 7)]);
});
