import { type ContainerHealth, HealthState, TaskState } from '../../proto/gen/index.js';
import type { ContainerExit, ContainerState } from '../executor/executor.js';
import { isUnhealthy, unhealthyWords } from '../health/health.js';
import { isAttachment, isTerminal, isToStop, type LocalTask } from './local-task.js';

/** What a task's runner sees of the world when it asks what to do. */
export interface Observed {
  readonly container: ContainerState | undefined;
  /** What its checks have found; undefined when it has none, or none has begun. */
  readonly health: ContainerHealth | undefined;
  readonly sandbox: SandboxView;
  /** Of a task that has become unhealthy: nobody sends anything new to it, or has had the time to stop doing so. */
  readonly withdrawn: boolean;
  /** Secrets and configs of the task that have not arrived yet: `secret "key"`. */
  readonly missing: readonly string[];
  /** Why the last prepare or start failed, or what comes before them could not be put on record; empty when all went well. */
  readonly failure: string;
}

/** A task's network namespace, as the last report of the data plane has it. */
export type SandboxView =
  | { readonly state: 'pending' }
  | { readonly state: 'ready' }
  /** `expired`: it has lasted longer than a task may be kept waiting. */
  | { readonly state: 'problem'; readonly message: string; readonly expired: boolean };

export type Step =
  | StatusStep
  | { readonly kind: 'prepare' | 'start' | 'stop' }
  /** Deletes the container. */
  | { readonly kind: 'remove' }
  /** Nothing is left of the task: deletes its record. */
  | { readonly kind: 'forget' }
  /** Nothing to do until something that was observed changes. */
  | { readonly kind: 'wait' };

export interface StatusStep {
  readonly kind: 'status';
  readonly state: TaskState;
  /** Undefined: stays what it was. */
  readonly message?: string;
  readonly error?: string;
  /** Undefined: stays what it was. */
  readonly health?: HealthState;
}

const wait: Step = { kind: 'wait' };

/** The one next thing to do for a task. States only ever grow. */
export function nextStep(local: LocalTask, observed: Observed): Step {
  if (isTerminal(local.status.state)) return settle(local, observed);
  if (isToStop(local)) return shutDown(observed);
  return isAttachment(local.task) ? attach(local, observed) : advance(local, observed);
}

/**
 * An attachment is RUNNING once its container's namespace has its endpoints. It is never given up here: its
 * addresses are the container's until that one is gone, and only the node knows when that is.
 */
function attach(local: LocalTask, { sandbox }: Observed): Step {
  const { state } = local.status;
  if (state < TaskState.ACCEPTED) return { kind: 'status', state: TaskState.ACCEPTED, message: 'accepted' };
  if (state >= TaskState.RUNNING) return wait;
  if (sandbox.state === 'problem') return waitingFor(local, `network: ${sandbox.message}`);
  return sandbox.state === 'ready' ? { kind: 'status', state: TaskState.RUNNING, message: 'attached' } : wait;
}

/** An ended task keeps its exited container, for its logs, until managers forget the task. */
function settle(local: LocalTask, { container }: Observed): Step {
  if (container?.status === 'running') return { kind: 'stop' };
  if (container?.status === 'prepared') return { kind: 'remove' };
  if (local.assigned) return wait;
  return { kind: container ? 'remove' : 'forget' };
}

function shutDown({ container }: Observed): Step {
  if (container?.status === 'running') return { kind: 'stop' };
  return { kind: 'status', state: TaskState.SHUTDOWN, message: 'shutdown' };
}

function advance(local: LocalTask, observed: Observed): Step {
  const { state } = local.status;
  if (state < TaskState.ACCEPTED) return accept(observed);
  if (state === TaskState.ACCEPTED && local.task.desiredState <= TaskState.ACCEPTED) return wait;
  if (state === TaskState.ACCEPTED)
    // A container here is of an earlier life of the daemon, and perhaps only half prepared.
    return observed.container
      ? { kind: 'remove' }
      : { kind: 'status', state: TaskState.PREPARING, message: 'preparing' };
  if (state === TaskState.PREPARING) return prepare(local, observed);
  if (state === TaskState.READY) return launch(local, observed);
  if (state === TaskState.STARTING) return start(local, observed);
  return keep(local, observed);
}

function accept({ failure }: Observed): Step {
  if (failure) return { kind: 'status', state: TaskState.REJECTED, error: failure };
  return { kind: 'status', state: TaskState.ACCEPTED, message: 'accepted' };
}

function prepare(local: LocalTask, { container, sandbox, missing, failure }: Observed): Step {
  if (failure) return { kind: 'status', state: TaskState.REJECTED, error: failure };
  const unreachable = networkFailure(sandbox);
  if (unreachable) return { kind: 'status', state: TaskState.REJECTED, error: unreachable };
  if (!container) {
    if (missing.length > 0) return waitingFor(local, missing.join(', '));
    return { kind: 'prepare' };
  }
  if (sandbox.state === 'problem') return waitingFor(local, `network: ${sandbox.message}`);
  if (sandbox.state === 'pending') return wait;
  return { kind: 'status', state: TaskState.READY, message: 'prepared' };
}

function launch(local: LocalTask, { container, sandbox, failure }: Observed): Step {
  if (failure) return { kind: 'status', state: TaskState.FAILED, error: failure };
  if (!container) return lost;
  const unreachable = networkFailure(sandbox);
  if (unreachable) return { kind: 'status', state: TaskState.FAILED, error: unreachable };
  if (sandbox.state === 'problem') return waitingFor(local, `network: ${sandbox.message}`);
  if (local.task.desiredState < TaskState.RUNNING || sandbox.state !== 'ready') return wait;
  return { kind: 'status', state: TaskState.STARTING, message: 'starting' };
}

function start(local: LocalTask, { container, sandbox, failure, health }: Observed): Step {
  if (failure) return { kind: 'status', state: TaskState.FAILED, error: failure };
  if (!container) return lost;
  if (container.status === 'exited') return ended(local, container.exit, health);
  if (container.status === 'running') return started(local, container, health);
  const unreachable = networkFailure(sandbox);
  if (unreachable) return { kind: 'status', state: TaskState.FAILED, error: unreachable };
  return sandbox.state === 'ready' ? { kind: 'start' } : wait;
}

/** A container with a check is up when that succeeds, and not before. */
function started(local: LocalTask, { check }: ContainerState, health: ContainerHealth | undefined): Step {
  if (!check) return { kind: 'status', state: TaskState.RUNNING, message: 'started' };
  if (isUnhealthy(health)) return giveUp(local, true);
  if (health?.status === HealthState.HEALTHY)
    return { kind: 'status', state: TaskState.RUNNING, message: 'started', health: HealthState.HEALTHY };
  if (local.status.health === HealthState.STARTING) return wait;
  const message = 'starting: waiting for the health check';
  return { kind: 'status', state: TaskState.STARTING, message, health: HealthState.STARTING };
}

/**
 * It is told first, which takes it out of every balancer, and stopped when it is out of all of them; its end is
 * the task's failure.
 */
function giveUp({ status }: LocalTask, withdrawn: boolean): Step {
  if (status.health === HealthState.UNHEALTHY) return withdrawn ? { kind: 'stop' } : wait;
  const message = 'unhealthy: stopping the container';
  return { kind: 'status', state: status.state, message, health: HealthState.UNHEALTHY };
}

function keep(local: LocalTask, { container, sandbox, health, withdrawn }: Observed): Step {
  if (!container || container.status === 'prepared') return lost;
  const unreachable = networkFailure(sandbox);
  if (container.status === 'running') {
    // What was told stands, whatever the check says meanwhile: the task is out of the balancers, and is replaced.
    const isGivenUp = isUnhealthy(health) || local.status.health === HealthState.UNHEALTHY;
    if (isGivenUp) return giveUp(local, withdrawn);
    return { kind: unreachable ? 'stop' : 'wait' };
  }
  if (unreachable) return { kind: 'status', state: TaskState.FAILED, error: unreachable };
  return ended(local, container.exit, health);
}

const lost: Step = {
  kind: 'status',
  state: TaskState.FAILED,
  error: 'the container is gone: the machine was restarted, or it was removed by hand',
};

function ended(
  { task, status }: LocalTask,
  exit: ContainerExit | undefined,
  health: ContainerHealth | undefined,
): Step {
  if (health && isUnhealthy(health))
    return { kind: 'status', state: TaskState.FAILED, error: unhealthyWords(health), health: HealthState.UNHEALTHY };
  // A restart of the machine took what was known of it.
  if (status.health === HealthState.UNHEALTHY)
    return { kind: 'status', state: TaskState.FAILED, error: 'unhealthy container' };
  if (exit?.code === 0) return { kind: 'status', state: TaskState.COMPLETE, message: 'finished' };
  const limit = task.spec.resources.limits.memoryBytes;
  const why = exit?.oomKilled ? `: out of memory${limit > 0 ? ` (limit ${limit} bytes)` : ''}` : '';
  return { kind: 'status', state: TaskState.FAILED, error: `task: non-zero exit (${exit?.code ?? 'unknown'})${why}` };
}

/** Why the task's network is given up; undefined while it works or may still come to. */
function networkFailure(sandbox: SandboxView): string | undefined {
  return sandbox.state === 'problem' && sandbox.expired ? `network: ${sandbox.message}` : undefined;
}

/** The same state with words on what it waits for, said once. */
function waitingFor({ status }: LocalTask, what: string): Step {
  const message = `waiting for ${what}`;
  return status.message === message ? wait : { kind: 'status', state: status.state, message };
}
