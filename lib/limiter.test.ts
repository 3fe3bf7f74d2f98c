import { expect, it } from 'vitest';
import { deferred } from './async.js';
import { Limiter } from './limiter.js';

it('limiter - runs so many at a time, in order, and goes on after a failure', async () => {
  const limiter = new Limiter(2);
  const gates = [0, 1, 2, 3].map(() => deferred<void>());
  const begun: number[] = [];
  const runs = gates.map((gate, i) =>
    limiter.run(async () => {
      begun.push(i);
      await gate.promise;
    }),
  );
  await Promise.resolve();
  expect(begun).toEqual([0, 1]);
  gates[1]?.reject(new Error('one fails'));
  await expect(runs[1]).rejects.toThrow('one fails');
  expect(begun).toEqual([0, 1, 2]);
  for (const gate of gates) gate.resolve();
  await Promise.all([runs[0], runs[2], runs[3]]);
  expect(begun).toEqual([0, 1, 2, 3]);
});
