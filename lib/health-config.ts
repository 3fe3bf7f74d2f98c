import { invalidArgument } from './errors.js';

/** A container's health check as docker describes it; times are nanoseconds, zero is the default. */
export interface HealthConfig {
  readonly test: readonly string[];
  readonly interval: number;
  readonly timeout: number;
  readonly startPeriod: number;
  readonly startInterval: number;
}

const LEAST = 1e6;

/** @throws INVALID_ARGUMENT */
export function checkHealthConfig(health: HealthConfig): void {
  const [kind, ...rest] = health.test;
  if (kind !== undefined && !['NONE', 'CMD', 'CMD-SHELL'].includes(kind)) {
    throw invalidArgument(`health check "${kind}" is not known`, {
      value: kind,
      hint: 'It begins with CMD, CMD-SHELL or NONE.',
    });
  }
  if ((kind === 'CMD' || kind === 'CMD-SHELL') && (rest[0] ?? '') === '')
    throw invalidArgument('a health check needs a command', { value: kind });
  for (const [what, value] of [
    ['interval', health.interval],
    ['timeout', health.timeout],
    ['start period', health.startPeriod],
    ['start interval', health.startInterval],
  ] as const) {
    if (value !== 0 && value < LEAST) {
      throw invalidArgument(`health ${what} of ${value} ns is too short`, {
        value: String(value),
        hint: 'At least 1ms; 0 for the default.',
      });
    }
  }
}
