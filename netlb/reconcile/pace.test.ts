import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../lib/clock.js';
import { Pace } from './pace.js';

describe('Pace', () => {
  test.each([
    ['the next pass waits twice as long as the last one took', 10, 20],
    ['but not for long', 1000, 200],
  ])('%s', async (_, length, expected) => {
    const clock = new ManualClock();
    const pace = new Pace(clock);
    expect(pace.rest).toBe(0);
    await pace.measure(() => clock.advance(length));
    expect(pace.rest).toBe(expected);
    await clock.advance(expected - 1);
    expect(pace.rest).toBe(1);
    await clock.advance(2);
    expect(pace.rest).toBe(0);
  });

  test('a pass that fails is followed by a rest, too', async () => {
    const clock = new ManualClock();
    const pace = new Pace(clock);
    const failing = pace.measure(async () => {
      await clock.advance(5);
      throw new Error('no such device');
    });
    await expect(failing).rejects.toThrow('no such device');
    expect(pace.rest).toBe(10);
  });
});
