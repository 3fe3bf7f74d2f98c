import { invalidArgument } from '../../lib/errors.js';
import { type ContainerConfig, ContainerGoal, RunPhase, type StoredContainer } from '../../proto/gen/index.js';

const POLICIES: ReadonlySet<string> = new Set(['', 'no', 'on-failure', 'always', 'unless-stopped']);

const FIRST_DELAY_MS = 100;
const LAST_DELAY_MS = 60_000;
/** A container that has run so long is not one that fails at its start. */
const STABLE_MS = 10_000;

/** @throws INVALID_ARGUMENT */
export function checkRestart({ restart, restartMaxAttempts, autoRemove }: ContainerConfig): void {
  if (!POLICIES.has(restart)) {
    throw invalidArgument(`invalid restart policy: unknown policy '${restart}'`, {
      value: restart,
      hint: "Use one of 'no', 'always', 'on-failure', or 'unless-stopped'.",
    });
  }
  if (restartMaxAttempts > 0 && restart !== 'on-failure') {
    throw invalidArgument('invalid restart policy: maximum retry count can only be used with "on-failure"', {
      value: `${restart}:${restartMaxAttempts}`,
    });
  }
  if (autoRemove && restart !== '' && restart !== 'no') {
    throw invalidArgument('can\'t set both "autoRemove" and "restart"', {
      value: restart,
      hint: 'Use either --rm or --restart.',
    });
  }
}

/** Whether a container that has ended, and that nobody has stopped, is to be started again. */
export function restartsAfter({ config, restartCount, stopped }: StoredContainer, exitCode: number): boolean {
  const { restart, restartMaxAttempts } = config;
  if (stopped) return false;
  if (restart === 'always' || restart === 'unless-stopped') return true;
  if (restart !== 'on-failure' || exitCode === 0) return false;
  return restartMaxAttempts === 0 || restartCount < restartMaxAttempts;
}

/**
 * A container's record when the daemon starts. One that does not run is started as its policy says, of which `always`
 * means also those that a person stopped; with --rm it was between the two halves of a restart, and goes.
 */
export function atDaemonStart(record: StoredContainer): StoredContainer {
  const { config, phase, goal, stopped, startedAt } = record;
  if (phase !== RunPhase.IDLE || goal !== ContainerGoal.REST || startedAt === 0) return record;
  if (config.autoRemove) return { ...record, goal: ContainerGoal.REMOVE };
  const due = config.restart === 'always' || (config.restart === 'unless-stopped' && !stopped);
  return due ? { ...record, goal: ContainerGoal.RUN, stopped: false } : record;
}

/**
 * Milliseconds before a container is started again: twice the last time's.
 * @param last of the last time; 0: there was none
 * @param ranMs how long it has run
 */
export function restartDelay(last: number, ranMs: number): number {
  return last === 0 || ranMs >= STABLE_MS ? FIRST_DELAY_MS : Math.min(LAST_DELAY_MS, last * 2);
}

/** When a container is started again by its policy; `now` is of a clock that nobody sets. */
export class NextStart {
  #at = 0;
  #lastDelay = 0;

  /** Milliseconds until then. */
  delay(now: number): number {
    return Math.max(0, this.#at - now);
  }

  /** A run has failed, or ended, after `ranMs`. */
  postpone(now: number, ranMs: number): void {
    this.#lastDelay = restartDelay(this.#lastDelay, ranMs);
    this.#at = now + this.#lastDelay;
  }

  /** A person has started it: what was before counts no more. */
  reset(): void {
    this.#at = 0;
    this.#lastDelay = 0;
  }
}
