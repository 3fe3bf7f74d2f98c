import { describe, expect, it } from 'vitest';
import { type ContainerHealth, HealthCheckResult, HealthConfig, HealthState } from '../../proto/gen/index.js';
import { afterCheck, checkRules, newHealth, nextCheckIn, unhealthyWords } from './health.js';

const { STARTING, HEALTHY, UNHEALTHY } = HealthState;
const STARTED = 100_000;

/** Statuses after checks with these exit codes, one each 10 s from the start on. */
function story(fields: Partial<HealthConfig>, ...codes: number[]): { states: HealthState[]; health: ContainerHealth } {
  const rules = checkRules(HealthConfig.create(fields));
  let health = newHealth(STARTED);
  const states = codes.map((exitCode, index) => {
    const startedAt = STARTED + (index + 1) * 10_000;
    const result = HealthCheckResult.create({ startedAt, endedAt: startedAt + 1, exitCode, output: `${index}` });
    health = afterCheck(health, result, rules, STARTED);
    return health.status;
  });
  return { states, health };
}

describe('health - states', () => {
  it.each([
    ['the first success makes it healthy', {}, [0], [HEALTHY]],
    ['three failures in a row make it unhealthy', {}, [1, 1, 1], [STARTING, STARTING, UNHEALTHY]],
    [
      'a success in between begins to count anew',
      {},
      [1, 1, 0, 1, 1, 0],
      [STARTING, STARTING, HEALTHY, HEALTHY, HEALTHY, HEALTHY],
    ],
    ['retries are what is said', { retries: 1 }, [0, 2, 0], [HEALTHY, UNHEALTHY, HEALTHY]],
    [
      'failures in the start period do not count',
      { startPeriod: 25e9, retries: 1 },
      [1, 1, 1],
      [STARTING, STARTING, UNHEALTHY],
    ],
    ['one success ends the start period', { startPeriod: 60e9, retries: 1 }, [1, 0, 1], [STARTING, HEALTHY, UNHEALTHY]],
    ['a check that could not be run is a failure', { retries: 2 }, [-1, 127], [STARTING, UNHEALTHY]],
  ])('%s', (_name, fields, codes, states) => {
    expect(story(fields, ...codes).states).toEqual(states);
  });

  it('keeps the last five results, the streak, and since when it is so', () => {
    const { health } = story({ retries: 2 }, 0, 1, 1, 1, 1, 1, 1);
    expect(health.log.map(({ output }) => output)).toEqual(['2', '3', '4', '5', '6']);
    expect(health).toMatchObject({ failingStreak: 6, since: STARTED + 30_001 });
    expect(story({ startPeriod: 60e9 }, 1, 1).health).toMatchObject({ failingStreak: 0, since: STARTED });
  });
});

describe('health - times', () => {
  it("are docker's when they are not given", () => {
    expect(checkRules(HealthConfig.create())).toEqual({
      interval: 30_000,
      timeout: 30_000,
      startPeriod: 0,
      startInterval: 5_000,
      retries: 3,
    });
    const given = { interval: 1e9, timeout: 2e9, startPeriod: 3e9, startInterval: 4e8, retries: 5 };
    expect(checkRules(HealthConfig.create(given))).toEqual({
      interval: 1_000,
      timeout: 2_000,
      startPeriod: 3_000,
      startInterval: 400,
      retries: 5,
    });
  });

  it('checks more often in the start period until it is healthy', () => {
    const rules = checkRules(HealthConfig.create({ interval: 30e9, startPeriod: 20e9, startInterval: 1e9 }));
    expect(nextCheckIn(newHealth(STARTED), rules, 19_999)).toBe(1_000);
    expect(nextCheckIn(newHealth(STARTED), rules, 20_000)).toBe(30_000);
    expect(nextCheckIn({ ...newHealth(STARTED), status: HEALTHY }, rules, 0)).toBe(30_000);
  });
});

it('health - says why a container is unhealthy', () => {
  const words = (output: string, failingStreak = 3) =>
    unhealthyWords({ ...newHealth(0), failingStreak, log: [HealthCheckResult.create({ exitCode: 7, output })] });
  expect(words(' no\nanswer\n')).toBe(
    'unhealthy container: its health check failed 3 times in a row, last output: no answer',
  );
  expect(words('', 1)).toBe('unhealthy container: its health check failed, last exit code: 7');
  expect(words('x'.repeat(5000)).length).toBeLessThan(400);
});
