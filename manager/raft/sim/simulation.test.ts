import { expect, test } from 'vitest';
import { messageOf } from '../../../lib/errors.js';
import { type Outcome, Simulation } from './simulation.js';

/** TSSWARM_RAFT_SEED replays one seed; TSSWARM_RAFT_SEEDS and TSSWARM_RAFT_STEPS make a long run. */
const only = process.env.TSSWARM_RAFT_SEED;
const count = Number(process.env.TSSWARM_RAFT_SEEDS ?? 60);
const steps = Number(process.env.TSSWARM_RAFT_STEPS ?? 2000);
const seeds = only === undefined ? Array.from({ length: count }, (_, i) => i) : [Number(only)];

function simulate(seed: number): Outcome {
  try {
    return new Simulation(seed).run(steps);
  } catch (error) {
    const again = `TSSWARM_RAFT_SEED=${seed} TSSWARM_RAFT_STEPS=${steps} npx vitest run --project unit manager/raft/sim`;
    throw new Error(`seed ${seed}: ${messageOf(error)}\nreplay: ${again}`, { cause: error });
  }
}

test('simulation - Raft keeps its promises under faults', { timeout: 30_000 + seeds.length * steps }, () => {
  const outcomes = seeds.map(simulate);
  // A run in which nothing happens proves nothing.
  const total = (of: (outcome: Outcome) => number) => outcomes.reduce((sum, outcome) => sum + of(outcome), 0);
  expect(total(({ committed }) => committed)).toBeGreaterThan(seeds.length * 5);
  if (seeds.length < 10) return;
  expect(total(({ crashes }) => crashes)).toBeGreaterThan(seeds.length);
  expect(total(({ terms }) => terms)).toBeGreaterThan(seeds.length * 2);
  expect(total(({ stuck }) => (stuck ? 1 : 0))).toBeLessThanOrEqual(seeds.length / 20);
});

test('simulation - the seed determines the run', () => {
  expect(new Simulation(5).run(500)).toEqual(new Simulation(5).run(500));
});
