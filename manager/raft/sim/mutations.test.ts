import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Mutants, original } from './mutants.js';
import { mutations } from './mutations.js';

/** Most are found within 10 seeds; the hardest needs some 50. */
const hunt = { seeds: 200, steps: 2000 };

/**
 * The proof that the simulator finds bugs: it is run against copies of the core with one bug each.
 * What a seed finds is told in the test's failure, if it is not what was expected.
 */
describe('mutations', { timeout: 180_000 }, () => {
  let mutants: Mutants;
  let seeds = 1;

  beforeAll(async () => {
    mutants = await Mutants.build(mutations);
  }, 180_000);
  afterAll(() => mutants.remove());

  test.each(mutations)('the simulator finds $name', async ({ name, breaks }) => {
    const finding = await mutants.hunt(name, hunt);
    if (!finding) throw new Error(`${hunt.seeds} seeds of ${hunt.steps} steps found nothing`);
    seeds = Math.max(seeds, finding.seed + 1);
    expect(breaks, `seed ${finding.seed}: ${finding.message}`).toContain(finding.breaks);
  });

  test('without a mutation the same seeds find nothing', async () => {
    expect(await mutants.hunt(original, { ...hunt, seeds })).toBeUndefined();
  });
});

test('mutations - a text that is not there is refused', async () => {
  const mutation = { name: 'rotten', file: 'raft.ts', before: 'no such text', after: '', breaks: [] };
  await expect(Mutants.build([mutation])).rejects.toThrow('0 times, not once');
});
