import { expect, test } from 'vitest';
import { ManualClock } from '../lib/clock.js';
import { silentLogger } from '../lib/log.js';
import { supervise } from './supervise.js';

test('supervise - a loop that throws or ends is run again, until the signal', async () => {
  const clock = new ManualClock();
  const end = new AbortController();
  let runs = 0;
  const loop = {
    async run(signal: AbortSignal) {
      runs++;
      if (runs === 1) throw new Error('broken');
      if (runs === 2) return;
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    },
  };
  const supervised = supervise('test', loop, { clock, log: silentLogger, signal: end.signal });
  for (let i = 0; i < 3; i++) await clock.advance(1_000);
  expect(runs).toBe(3);
  end.abort();
  await supervised;
});
