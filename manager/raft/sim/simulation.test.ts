import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { messageOf } from '../../../lib/errors.js';
import { type Outcome, Simulation } from './simulation.js';

/**
 * How long a run is, from the environment:
 *
 * - TSSWARM_RAFT_SEEDS, TSSWARM_RAFT_STEPS: how many seeds, and how many steps for each.
 * - TSSWARM_RAFT_FROM: the first seed. With SEEDS it splits a long run between processes.
 * - TSSWARM_RAFT_SEED: replays one seed. What its nodes said and heard last is shown when it fails.
 * - TSSWARM_RAFT_TRACE: how many lines of that.
 */
const env = (name: string, otherwise: number) => Number(process.env[`TSSWARM_RAFT_${name}`] ?? otherwise);
const replays = process.env.TSSWARM_RAFT_SEED !== undefined;
const first = replays ? env('SEED', 0) : env('FROM', 0);
const count = replays ? 1 : env('SEEDS', 60);
const steps = env('STEPS', 2000);
const traced = env('TRACE', 100);

function simulate(seed: number): Outcome {
  const trace: string[] = [];
  const remember = (line: string) => {
    trace.push(line);
    if (trace.length > 2 * traced) trace.splice(0, traced);
  };
  try {
    return new Simulation(seed, replays ? remember : undefined).run(steps);
  } catch (error) {
    const again = `TSSWARM_RAFT_SEED=${seed} TSSWARM_RAFT_STEPS=${steps} npx vitest run --project unit manager/raft/sim/simulation.test.ts`;
    const lines = [`seed ${seed}: ${messageOf(error)}`, `replay: ${again}`, ...trace.slice(-traced)];
    throw new Error(lines.join('\n'), { cause: error });
  }
}

test('simulation - Raft keeps its promises under faults', { timeout: 30_000 + count * steps }, async () => {
  const outcomes: Outcome[] = [];
  for (let seed = first; seed < first + count; seed++) {
    outcomes.push(simulate(seed));
    if (outcomes.length % 500 === 0) console.info(`${outcomes.length} of ${count} seeds`);
    // A long run must not keep the runner from hearing of it.
    await setImmediate();
  }
  if (count < 50) return;
  // A run in which nothing happens proves nothing.
  const total = (of: (outcome: Outcome) => number) => outcomes.reduce((sum, outcome) => sum + of(outcome), 0) / count;
  expect(total(({ committed }) => committed)).toBeGreaterThan(30);
  expect(total(({ terms }) => terms)).toBeGreaterThan(5);
  expect(total(({ reads }) => reads)).toBeGreaterThan(5);
  expect(total(({ crashes }) => crashes)).toBeGreaterThan(2);
  expect(total(({ pauses }) => pauses)).toBeGreaterThan(0.1);
  expect(total(({ changes }) => changes)).toBeGreaterThan(5);
  expect(total(({ restores }) => restores)).toBeGreaterThan(0.5);
  expect(total(({ stuck }) => (stuck ? 1 : 0))).toBeLessThan(0.05);
});

test('simulation - the seed determines the run', () => {
  expect(new Simulation(5).run(500)).toEqual(new Simulation(5).run(500));
});
