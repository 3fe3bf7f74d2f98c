import { expect, test } from 'vitest';
import { ManualClock } from '../../lib/clock.js';
import { Liveness } from './liveness.js';

function watch() {
  const clock = new ManualClock(0);
  const silent: string[] = [];
  const liveness = new Liveness(clock, (node) => silent.push(`${node} at ${clock.now()}`));
  return { clock, silent, liveness };
}

test('a node that is heard of in time is never silent', async () => {
  const { clock, silent, liveness } = watch();
  for (let i = 0; i < 10; i++) {
    liveness.heard('a', 300);
    await clock.advance(299);
  }
  expect(silent).toEqual([]);
  await clock.advance(1);
  expect(silent).toEqual(['a at 2991']);
  await clock.advance(10_000);
  expect(silent).toHaveLength(1);
});

test('a shorter grace takes effect at once', async () => {
  const { clock, silent, liveness } = watch();
  liveness.heard('a', 10_000);
  liveness.heard('a', 100);
  await clock.advance(100);
  expect(silent).toEqual(['a at 100']);
});

test('a node that is forgotten is not waited for', async () => {
  const { clock, silent, liveness } = watch();
  liveness.heard('a', 100);
  liveness.forget('a');
  expect(liveness.watches('a')).toBe(false);
  await clock.advance(1_000);
  expect(silent).toEqual([]);
});
