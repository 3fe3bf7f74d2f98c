import { describe, expect, test } from 'vitest';
import { Random } from '../../manager/raft/core/testing/random.js';
import { anomalies } from './anomalies.js';
import { checkLinearizable } from './check.js';
import { type RegisterOperation, register } from './register.js';
import { bruteForce } from './testing.js';
import { type WorkloadOptions, workload } from './workload.js';

/** TSSWARM_HISTORY_SEED replays one seed; TSSWARM_HISTORY_SEEDS makes a long run. */
const only = process.env.TSSWARM_HISTORY_SEED;
const seeds = (count: number) =>
  only === undefined
    ? Array.from({ length: Number(process.env.TSSWARM_HISTORY_SEEDS ?? count) }, (_, i) => i)
    : [Number(only)];

const replay = (seed: number) =>
  `replay: TSSWARM_HISTORY_SEED=${seed} npx vitest run --project unit test/linearizability`;

const SMALL: WorkloadOptions = { clients: 3, keys: 1, operations: 7, unknown: 0.25 };
const MEDIUM: WorkloadOptions = { clients: 8, keys: 2, operations: 200, unknown: 0.1 };

describe('random histories', () => {
  test('an atomic register - is accepted', () => {
    for (const seed of seeds(200)) {
      const verdict = checkLinearizable(register, workload(new Random(seed), MEDIUM));
      expect(verdict, replay(seed)).toEqual({ ok: true });
    }
  });

  test.each(Object.entries(anomalies))('one anomaly - is refused: %s', (_, anomaly) => {
    let injected = 0;
    for (const seed of seeds(60)) {
      const random = new Random(seed);
      const history = anomaly(workload(random, MEDIUM), random);
      if (!history) continue;
      injected++;
      const verdict = checkLinearizable(register, history);
      expect(verdict.ok, replay(seed)).toBe(false);
    }
    if (only === undefined) expect(injected).toBeGreaterThan(30);
  });

  test('small histories, right and wrong - get the verdict of the definition', () => {
    const verdicts = { accepted: 0, refused: 0 };
    for (const seed of seeds(4000)) {
      const random = new Random(seed);
      const history = perturb(workload(random, SMALL), random);
      const expected = bruteForce(register, history);
      const verdict = checkLinearizable(register, history);
      expect(verdict.ok, replay(seed)).toBe(expected);
      verdicts[expected ? 'accepted' : 'refused']++;
    }
    if (only !== undefined) return;
    expect(verdicts.accepted).toBeGreaterThan(1000);
    expect(verdicts.refused).toBeGreaterThan(1000);
  });

  test('a long history with many unanswered operations - is checked', () => {
    const options: WorkloadOptions = { clients: 8, keys: 20, operations: 20_000, unknown: 0.04 };
    const random = new Random(1);
    const history = workload(random, options);
    expect(checkLinearizable(register, history)).toEqual({ ok: true });
    for (const anomaly of Object.values(anomalies)) {
      const wrong = anomaly(history, random);
      expect(wrong && checkLinearizable(register, wrong).ok).toBe(false);
    }
  });
});

/** Changes some answers at random, to others that may be right or wrong. */
function perturb(history: RegisterOperation[], random: Random): RegisterOperation[] {
  const values = [null, ...history.flatMap(({ input }) => register.produces(input))];
  return history.map((operation) => {
    if (operation.output === undefined || random.chance(0.75)) return operation;
    if (operation.input.kind === 'read') return { ...operation, output: random.pick(values) ?? null };
    if (operation.input.kind === 'write') return operation;
    return { ...operation, output: operation.output === 'ok' ? 'refused' : 'ok' };
  });
}
