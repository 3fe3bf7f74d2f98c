import { invalidArgument } from '../../lib/errors.js';
import { HealthConfig } from '../../proto/gen/specs.js';
import type { Flags } from './flags.js';

/** Flags of a health check: name, value, description. */
export const HEALTH_FLAGS: readonly (readonly [string, string, string])[] = [
  ['--health-cmd', 'COMMAND', 'Command to run to check health'],
  ['--health-interval', 'DURATION', 'Time between checks (default 30s)'],
  ['--health-retries', 'N', 'Failures in a row after which a container is unhealthy (default 3)'],
  ['--health-start-interval', 'DURATION', 'Time between checks during the start period (default 5s)'],
  ['--health-start-period', 'DURATION', 'Time to start up in which failures do not count (default 0s)'],
  ['--health-timeout', 'DURATION', 'Time that one check may take (default 30s)'],
];

export const NO_HEALTHCHECK: readonly [string, string] = ['--no-healthcheck', "Disable the image's health check"];

/**
 * A health check with the flags applied; undefined: the image's.
 * @throws INVALID_ARGUMENT that names the flag
 */
export function applyHealthFlags(current: HealthConfig | undefined, flags: Flags): HealthConfig | undefined {
  const given = HEALTH_FLAGS.map(([flag]) => flag.slice(2)).filter((flag) => flags.has(flag));
  if (flags.on('no-healthcheck')) {
    if (given[0] !== undefined)
      throw invalidArgument(`--no-healthcheck conflicts with --${given[0]}`, {
        hint: 'Give either --no-healthcheck or --health-* flags.',
      });
    return HealthConfig.create({ test: ['NONE'] });
  }
  if (given.length === 0) return current;
  const base = current ?? HealthConfig.create();
  return {
    test: test(base, flags),
    interval: flags.duration('health-interval') ?? base.interval,
    timeout: flags.duration('health-timeout') ?? base.timeout,
    startPeriod: flags.duration('health-start-period') ?? base.startPeriod,
    startInterval: flags.duration('health-start-interval') ?? base.startInterval,
    retries: flags.integer('health-retries', 0, 0xffffffff) ?? base.retries,
  };
}

/** An empty command means the image's check; so do times for what had its check switched off. */
function test(base: HealthConfig, flags: Flags): readonly string[] {
  const command = flags.text('health-cmd');
  if (command !== undefined) return command === '' ? [] : ['CMD-SHELL', command];
  return base.test[0] === 'NONE' ? [] : base.test;
}
