import { expect, test } from 'vitest';
import { seeded } from './seeded-random.js';
import { sortedRecords } from './sorted-records.js';

test('sortedRecords - as by sorting all, whatever comes, goes and becomes another', () => {
  const random = seeded(5);
  const sorted = sortedRecords<{ readonly id: string; readonly n: number }>();
  let records = new Map<string, { readonly id: string; readonly n: number }>();
  for (let round = 0; round < 400; round++) {
    records = new Map(records);
    for (let i = random(round < 20 ? 30 : 3); i > 0; i--) {
      const id = `id${random(200)}`;
      if (random(3) === 0) records.delete(id);
      else records.set(id, { id, n: round });
    }
    expect(sorted(records)).toEqual([...records.values()].sort((a, b) => (a.id < b.id ? -1 : 1)));
  }
  expect(sorted(new Map(records))).toBe(sorted(records));
});
