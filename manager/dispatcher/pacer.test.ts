import { expect, test } from 'vitest';
import { Pacer } from './pacer.js';

test('the first messages go out at once, then one at a time, and after a pause at once again', () => {
  const pacer = new Pacer();
  let immediate = 0;
  while (pacer.delay(1_000, 1) === 0) {
    pacer.sent(1_000, 1);
    immediate++;
  }
  expect(immediate).toBe(10);
  expect(pacer.delay(1_000, 1)).toBe(20);
  expect(pacer.delay(1_000, 100)).toBe(0);
  pacer.sent(1_020, 1);
  expect(pacer.delay(1_020, 1)).toBe(20);
  expect(pacer.delay(2_000, 1)).toBe(0);
});

test('the more streams there are, the longer a flood is collected', () => {
  const pacer = new Pacer();
  while (pacer.delay(1_000, 1) === 0) pacer.sent(1_000, 500);
  expect(pacer.delay(1_000, 1)).toBe(200);
  expect(pacer.delay(1_000, 100)).toBe(0);
});
