import { expect, test } from 'vitest';
import { shortenTurns } from '../../netlb/kernel/scheduling.js';
import { schedulingAttributes } from '../../netlb/kernel/syscalls.js';

/** Of struct sched_attr. */
function read() {
  const attributes = schedulingAttributes();
  if (!attributes) throw new Error(`the numbers of scheduling's calls are not known for ${process.arch}`);
  return {
    policy: attributes.readUInt32LE(4),
    resetsOnFork: (attributes.readBigUInt64LE(8) & 1n) === 1n,
    nice: attributes.readInt32LE(16),
    slice: attributes.readBigUInt64LE(24),
  };
}

test('a thread gets short turns, and only it: those that it starts begin as usual', () => {
  const before = read();
  shortenTurns();
  // Kernels before 6.12 know no slices of threads, and say 0.
  expect(read()).toEqual({ ...before, resetsOnFork: true, slice: before.slice === 0n ? 0n : 300_000n });
});
