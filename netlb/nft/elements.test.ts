import { describe, expect, test } from 'vitest';
import { seeded } from '../../lib/seeded-random.js';
import { differenceOf } from './elements.js';

const many = (count: number, prefix = 'e') => Array.from({ length: count }, (_, i) => `${prefix}${i}`);
const sorted = ({ missing, gone }: ReturnType<typeof differenceOf>) => ({
  missing: [...missing].sort(),
  gone: [...gone].sort(),
});

/** By sets of all. */
function plainly(wanted: readonly string[], now: readonly string[]) {
  return sorted({
    missing: wanted.filter((element) => !now.includes(element)),
    gone: now.filter((element) => !wanted.includes(element)),
  });
}

describe('differenceOf', () => {
  const all = many(300);
  test.each<[string, readonly string[], readonly string[]]>([
    ['nothing', all, [...all]],
    ['one replaced', all.map((e, i) => (i === 150 ? 'new' : e)), all],
    ['one added in the middle', [...all.slice(0, 100), 'new', ...all.slice(100)], all],
    ['one removed at the start', all.slice(1), all],
    ['some here, some there', all.flatMap((e, i) => (i % 40 === 0 ? [] : i % 50 === 0 ? [e, `${e}b`] : [e])), all],
    ['more than is looked ahead', [...many(100, 'x'), ...all], all],
    ['all of it', many(300, 'x'), all],
    ['another order', [...all].reverse(), all],
    ['one that has moved', ['e299', ...all.slice(0, 299)], all],
    ['an empty list', [], all],
    ['a first list', all, []],
  ])('%s', (_, wanted, now) => {
    expect(sorted(differenceOf(wanted, now))).toEqual(plainly(wanted, now));
  });

  test('any two lists', () => {
    const random = seeded(1);
    for (let round = 0; round < 200; round++) {
      const list = () => [...new Set(Array.from({ length: random(30) }, () => `e${random(40)}`))];
      const [wanted, now] = [list(), list()];
      expect(sorted(differenceOf(wanted, now))).toEqual(plainly(wanted, now));
    }
  });
});
