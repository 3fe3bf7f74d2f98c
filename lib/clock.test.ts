import { expect, it } from 'vitest';
import { systemClock } from './clock.js';

it('clock - a time longer than a timer can be is not over at once', async () => {
  let isOver = false;
  const cancel = systemClock.after(2 ** 40, () => {
    isOver = true;
  });
  await systemClock.sleep(20);
  cancel();
  expect(isOver).toBe(false);
});
