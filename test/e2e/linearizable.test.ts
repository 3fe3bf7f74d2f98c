import { beforeAll, expect, test } from 'vitest';
import { nodeOf } from '../../demo/cli.js';
import { say } from '../../demo/steps.js';
import { Random } from '../../manager/raft/core/testing/random.js';
import { anomalies } from '../linearizability/anomalies.js';
import { checkLinearizable } from '../linearizability/check.js';
import { register } from '../linearizability/register.js';
import { useLab } from './lab.js';
import { countsOf, type Run, runClients } from './linearizable/run.js';

const MANAGERS = [1, 2, 3];
const SECONDS = 20;

/** TSSWARM_LINEARIZABLE_SEED repeats a run, as far as real processes can. */
const seed = Number(process.env.TSSWARM_LINEARIZABLE_SEED ?? Date.now() % 1_000_000);
const replay = `replay: TSSWARM_LINEARIZABLE_SEED=${seed} npx vitest run --project e2e test/e2e/linearizable.test.ts`;

useLab(MANAGERS.length, '--managers', String(MANAGERS.length));

let run: Run;
beforeAll(async () => {
  say(replay);
  run = await runClients({ seed, managers: MANAGERS.map(nodeOf), clients: 8, registers: 5, seconds: SECONDS, say });
});

test('three managers that fail - what clients see is linearizable', () => {
  const counts = countsOf(run.history);
  say(JSON.stringify(counts));
  const verdict = checkLinearizable(register, run.history);
  expect(verdict.ok ? '' : verdict.explanation, replay).toBe('');
  // That something was done meanwhile, and something went wrong.
  expect(run.episodes.length, replay).toBeGreaterThanOrEqual(3);
  expect(counts.writes, replay).toBeGreaterThanOrEqual(60);
  expect(counts.reads, replay).toBeGreaterThanOrEqual(60);
  expect(counts.unanswered, replay).toBeGreaterThan(0);
});

test.each(Object.entries(anomalies))('the same history with one anomaly is refused - %s', (_, anomaly) => {
  const wrong = anomaly(run.history, new Random(seed));
  if (!wrong) throw new Error(`the history has no place for it; ${replay}`);
  expect(checkLinearizable(register, wrong).ok, replay).toBe(false);
});
