import { expect, test } from 'vitest';
import { givingWay } from './scheduling.js';

test('the processor is given away once in half a millisecond of work, and what others had of it is none', () => {
  const [work, others] = [0.1, 3];
  let now = 0;
  const given: number[] = [];
  const giveWay = givingWay(
    () => {
      given.push(now);
      now += others;
    },
    () => now,
  );
  for (let i = 0; i < 12; i++) {
    now += work;
    giveWay();
  }
  expect(given.map((at) => Number(at.toFixed(1)))).toEqual([0.5, 4]);
});
