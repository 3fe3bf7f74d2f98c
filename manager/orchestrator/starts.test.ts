import { expect, test } from 'vitest';
import { ManualClock } from '../../lib/clock.js';
import { DelayedStarts } from './starts.js';

const HOUR = 3_600_000;

/** A task that was made just now and may start in five seconds. */
function delayed() {
  const clock = new ManualClock();
  let wakes = 0;
  const starts = new DelayedStarts(clock, () => wakes++);
  starts.add('task1', 'web.1', clock.now(), clock.now() + 5_000);
  return { clock, starts, wakes: () => wakes };
}

test('starts - a task is looked at when its delay is over, and may start then', async () => {
  const { clock, starts, wakes } = delayed();
  expect([...starts.due]).toEqual([]);
  await clock.advance(4_999);
  expect([wakes(), starts.mayStart('task1', false)]).toEqual([0, false]);
  await clock.advance(1);
  expect([...starts.due]).toEqual(['task1']);
  expect([wakes(), starts.mayStart('task1', false)]).toEqual([1, true]);
});

test.each([HOUR / 6, -HOUR / 6])(
  "starts - the delay is what it was when the machine's clock is set: %i",
  async (step) => {
    const { clock, starts } = delayed();
    clock.set(clock.now() + step);
    await clock.advance(4_999);
    expect(starts.mayStart('task1', false)).toBe(false);
    await clock.advance(1);
    expect(starts.mayStart('task1', false)).toBe(true);
  },
);

test('starts - one whose predecessor does not stop waits for it a minute, and no longer', async () => {
  const { clock, starts, wakes } = delayed();
  await clock.advance(59_999);
  expect([wakes(), starts.mayStart('task1', true)]).toEqual([1, false]);
  await clock.advance(1);
  expect([wakes(), starts.mayStart('task1', true)]).toEqual([2, true]);
});

test('starts - a task that is due is looked at at once, and what leaves it no timer behind', async () => {
  const clock = new ManualClock();
  let wakes = 0;
  const starts = new DelayedStarts(clock, () => wakes++);
  starts.add('task1', 'web.1', clock.now() - 10_000, clock.now() - 5_000);
  expect([...starts.due]).toEqual(['task1']);
  expect(starts.mayStart('task1', false)).toBe(true);
  starts.remove('task1');
  await clock.advance(HOUR);
  expect([[...starts.due], wakes]).toEqual([[], 0]);
});
