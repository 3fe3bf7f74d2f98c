import { describe, expect, test } from 'vitest';
import { MAGLEV_SIZE, maglev } from './maglev.js';

const backends = (count: number, weight = 1) =>
  Array.from({ length: count }, (_, i) => ({ address: `10.0.0.${10 + i}`, weight }));
const shares = (table: readonly string[]) => {
  const counts = new Map<string, number>();
  for (const address of table) counts.set(address, (counts.get(address) ?? 0) + 1);
  return counts;
};

describe('maglev', () => {
  test.each([1, 2, 3, 10, 50])('%i backends have even shares of all places', (count) => {
    const table = maglev(backends(count));
    expect(table).toHaveLength(MAGLEV_SIZE);
    const counts = [...shares(table).values()];
    expect(counts).toHaveLength(count);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  });

  test('a heavier one has more of them, one of weight 0 none', () => {
    const counts = shares(
      maglev([
        { address: 'a', weight: 3 },
        { address: 'b', weight: 1 },
        { address: 'c', weight: 0 },
      ]),
    );
    expect(counts.get('a')).toBeCloseTo((MAGLEV_SIZE * 3) / 4, -1);
    expect(counts.get('c')).toBeUndefined();
    expect(maglev([{ address: 'a', weight: 0 }])).toEqual([]);
  });

  test('the order of the backends does not matter: all nodes have the same', () => {
    expect(maglev(backends(7).reverse())).toEqual(maglev(backends(7)));
  });

  test('when one of ten goes, few places of the others change hands', () => {
    const before = maglev(backends(10));
    const after = maglev(backends(10).slice(1));
    const moved = before.filter((address, i) => address !== '10.0.0.10' && address !== after[i]);
    expect(moved.length).toBeLessThan(MAGLEV_SIZE / 5);
  });
});
