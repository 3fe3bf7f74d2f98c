import { expect, test } from 'vitest';
import { isGone } from './gone.js';

test.each([
  ['remove-ipvs-destinations', 2, true],
  ['remove-ipvs-service', 3, true],
  ['remove-associations', 3, true],
  ['remove-ipvs-service', 16, false],
  ['set-ipvs-destinations', 2, false],
  ['add-ipvs-destinations', 3, false],
] as const)('what is gone - %s, errno %i: %s', (kind, errno, fine) => {
  expect(isGone({ kind }, errno)).toBe(fine);
});
