import { expect, it } from 'vitest';
import { ManualClock, systemClock } from './clock.js';

it('clock - a time longer than a timer can be is not over at once', async () => {
  let isOver = false;
  const cancel = systemClock.after(2 ** 40, () => {
    isOver = true;
  });
  await systemClock.sleep(20);
  cancel();
  expect(isOver).toBe(false);
});

it('clock - nothing is called before its time, although timers of Node.js may be', async () => {
  const begun = (ms: number) => {
    const [at, monotonic] = [systemClock.now(), systemClock.monotonic()];
    return new Promise<number[]>((resolve) => {
      systemClock.after(ms, () => resolve([systemClock.now() - at - ms, systemClock.monotonic() - monotonic - ms]));
    });
  };
  for (let round = 0; round < 20; round++) {
    const late = await Promise.all(Array.from({ length: 20 }, (_, i) => begun(1 + i)));
    expect(Math.min(...late.flat())).toBeGreaterThanOrEqual(0);
  }
});

it('manual clock - one that is set goes on where it was for timers and durations', async () => {
  const clock = new ManualClock();
  let calls = 0;
  clock.after(100, () => calls++);
  clock.set(5);
  expect([clock.now(), clock.monotonic()]).toEqual([5, 0]);
  await clock.advance(100);
  expect([clock.now(), clock.monotonic(), calls]).toEqual([105, 100, 1]);
});
