import { invalidArgument } from '../../../lib/errors.js';
import type { Autoscale, ServiceSpec } from '../../../proto/gen/index.js';

const MOST_PERCENT = 1000;
const MOST_CONNECTIONS = 1_000_000;
/** One hour, in nanoseconds. */
const LONGEST_WINDOW = 3600e9;

/** @throws INVALID_ARGUMENT for the first thing that is wrong, whatever the state of the swarm */
export function checkAutoscale(autoscale: Autoscale, { name, replicated }: ServiceSpec): void {
  const { min, max, cpuPercent, connectionsPerSecond, upWindow = 0, downWindow = 0 } = autoscale;
  if (min < 1) throw wrong(`a service that is scaled by load cannot have ${min} tasks`, min, 'Its min is 1 or more.');
  if (max < min) throw wrong(`a service cannot have ${min} tasks at least and ${max} at most`, `min=${min},max=${max}`);
  if (cpuPercent === 0 && connectionsPerSecond === 0) {
    throw wrong('there is nothing to scale the service by', `min=${min},max=${max}`, 'Add cpu=60% or connections=100.');
  }
  if (cpuPercent > MOST_PERCENT) {
    throw wrong(`cpu ${cpuPercent} % is too much for a target`, cpuPercent, `At most ${MOST_PERCENT} %.`);
  }
  if (connectionsPerSecond > MOST_CONNECTIONS) {
    const most = `At most ${MOST_CONNECTIONS}.`;
    throw wrong(`${connectionsPerSecond} connections per second are too many`, connectionsPerSecond, most);
  }
  for (const [which, window] of [
    ['up', upWindow],
    ['down', downWindow],
  ] as const) {
    if (window > LONGEST_WINDOW) throw wrong(`${which}-window=${window / 1e9}s is too long`, window, 'At most 1h.');
  }
  const replicas = replicated?.replicas ?? 0;
  if (replicas >= min && replicas <= max) return;
  throw wrong(
    `service ${name} has ${min} to ${max} tasks as its load asks for, and not ${replicas}`,
    replicas,
    `Give a number from ${min} to ${max}, another range by --autoscale, or end it by --autoscale none.`,
  );
}

const wrong = (message: string, value: number | string, hint?: string) =>
  invalidArgument(message, { value: String(value), hint });

/** What is allowed and may not be what was meant. */
export function autoscaleWarnings({ autoscale, task }: ServiceSpec): readonly string[] {
  if (!autoscale || autoscale.cpuPercent <= 100 || task.resources.limits.nanoCpus === 0) return [];
  return ['the load never asks for more tasks by cpu: a task is limited to 100 %, and the target is more'];
}
