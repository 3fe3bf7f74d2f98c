import { ContainerHealth, type HealthCheckResult, type HealthConfig, HealthState } from '../../proto/gen/index.js';

/** When a container is checked, and what follows. Times are in milliseconds. */
export interface CheckRules {
  readonly interval: number;
  readonly timeout: number;
  /** After the start: failures do not count until the first success. */
  readonly startPeriod: number;
  /** In its place while that lasts. */
  readonly startInterval: number;
  /** Failures in a row that make it unhealthy. */
  readonly retries: number;
}

/** Results that are kept, as docker keeps them. */
const KEPT = 5;

/** What is not given is as docker has it. */
export function checkRules(config: HealthConfig): CheckRules {
  return {
    interval: config.interval / 1e6 || 30_000,
    timeout: config.timeout / 1e6 || 30_000,
    startPeriod: config.startPeriod / 1e6,
    startInterval: config.startInterval / 1e6 || 5_000,
    retries: config.retries || 3,
  };
}

/** Of a container that was started then. */
export function newHealth(startedAt: number): ContainerHealth {
  return ContainerHealth.create({ status: HealthState.STARTING, since: startedAt });
}

/**
 * The health after one more result. A container is STARTING until its first success, or until it has failed too
 * often; then each success makes it HEALTHY, and so many failures in a row UNHEALTHY.
 * @param startedAt of the container
 */
export function afterCheck(
  health: ContainerHealth,
  result: HealthCheckResult,
  rules: CheckRules,
  startedAt: number,
): ContainerHealth {
  const log = [...health.log, result].slice(-KEPT);
  if (result.exitCode === 0) return become(HealthState.HEALTHY, { ...health, log, failingStreak: 0 }, result);
  if (health.status === HealthState.STARTING && result.startedAt - startedAt < rules.startPeriod)
    return { ...health, log };
  const next = { ...health, log, failingStreak: health.failingStreak + 1 };
  return next.failingStreak >= rules.retries ? become(HealthState.UNHEALTHY, next, result) : next;
}

function become(status: HealthState, health: ContainerHealth, { endedAt }: HealthCheckResult): ContainerHealth {
  return health.status === status ? health : { ...health, status, since: endedAt };
}

/** Milliseconds from the end of one check, or from the start, to the next one. @param age since the container's start */
export function nextCheckIn({ status }: ContainerHealth, rules: CheckRules, age: number): number {
  return status === HealthState.STARTING && age < rules.startPeriod ? rules.startInterval : rules.interval;
}

export const isUnhealthy = (health: ContainerHealth | undefined): boolean => health?.status === HealthState.UNHEALTHY;

/** Characters of a check's output that are told as the reason. */
const MOST_WORDS = 300;

/** Why a container is unhealthy, for people. */
export function unhealthyWords({ log, failingStreak }: ContainerHealth): string {
  const last = log.at(-1);
  const words = last?.output.trim().replace(/\s+/g, ' ') ?? '';
  const short = words.length > MOST_WORDS ? `${words.slice(0, MOST_WORDS)}…` : words;
  const times = failingStreak === 1 ? 'failed' : `failed ${failingStreak} times in a row`;
  return `unhealthy container: its health check ${times}, last ${short ? `output: ${short}` : `exit code: ${last?.exitCode}`}`;
}
