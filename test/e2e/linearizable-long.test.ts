import { describe, expect, test } from 'vitest';
import { nodeOf } from '../../demo/cli.js';
import { say } from '../../demo/steps.js';
import { checkLinearizable } from '../linearizability/check.js';
import { register } from '../linearizability/register.js';
import { useLab } from './lab.js';
import { countsOf, runClients } from './linearizable/run.js';

/** TSSWARM_LONG is how many seconds each run lasts; there is none without it. */
const seconds = Number(process.env.TSSWARM_LONG ?? 0);
const seed = Number(process.env.TSSWARM_LINEARIZABLE_SEED ?? Date.now() % 1_000_000);

describe.runIf(seconds > 0).each([3, 5])('%i managers that fail, for long', (count) => {
  useLab(count, '--managers', String(count));

  // What went wrong once must not go unseen: it is not tried again.
  test('what clients see is linearizable', { retry: 0, timeout: (2 * seconds + 120) * 1_000 }, async () => {
    const replay = `replay: TSSWARM_LONG=${seconds} TSSWARM_LINEARIZABLE_SEED=${seed} npx vitest run --project e2e test/e2e/linearizable-long.test.ts`;
    say(replay);
    const managers = Array.from({ length: count }, (_, index) => nodeOf(index + 1));
    const { history, episodes } = await runClients({ seed, managers, clients: 8, registers: 10, seconds, say });
    const counts = countsOf(history);
    say(JSON.stringify(counts));
    const verdict = checkLinearizable(register, history);
    expect(verdict.ok ? '' : verdict.explanation, replay).toBe('');
    expect(episodes.length, replay).toBeGreaterThanOrEqual(seconds / 20);
    expect(counts.writes, replay).toBeGreaterThanOrEqual(seconds);
  });
});
