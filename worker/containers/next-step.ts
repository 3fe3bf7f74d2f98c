import { ContainerGoal, RunPhase, type StoredContainer } from '../../proto/gen/index.js';
import type { SandboxView } from '../agent/next-step.js';
import type { ContainerState } from '../executor/executor.js';

/** What a container's runner sees of the world when it asks what to do. */
export interface ObservedContainer {
  /** As the executor has it. */
  readonly container: ContainerState | undefined;
  readonly sandbox: SandboxView;
  /** Why this start failed; empty when it did not. */
  readonly failure: string;
  /** Milliseconds until its policy starts it again. */
  readonly delay: number;
}

export type ContainerStep =
  /** Gives it endpoints and ports, and notes that it is to be started. */
  | { readonly kind: 'house' }
  | { readonly kind: 'prepare' | 'start' }
  /** Notes that it runs. */
  | { readonly kind: 'started' }
  | { readonly kind: 'stop' }
  /** Notes its end, and takes its endpoints back. */
  | { readonly kind: 'ended' }
  /** Gives the start up, and takes its endpoints back. */
  | { readonly kind: 'giveUp'; readonly error: string }
  /** Nothing shall be left of it. */
  | { readonly kind: 'remove' }
  | { readonly kind: 'wait'; readonly ms?: number };

const wait: ContainerStep = { kind: 'wait' };

/**
 * The one next thing to do for a container of this machine. Its record says how far it got: a crash between
 * any two steps is followed by the same ones.
 */
export function nextContainerStep(record: StoredContainer, observed: ObservedContainer): ContainerStep {
  if (record.phase === RunPhase.STARTING) return starting(record, observed);
  if (record.phase === RunPhase.RUNNING) return running(record, observed);
  return idle(record, observed);
}

function idle({ goal, startedAt }: StoredContainer, { container, delay, failure }: ObservedContainer): ContainerStep {
  // Of a start that was given up while it was under way.
  if (container?.status === 'running') return { kind: 'stop' };
  if (goal === ContainerGoal.REMOVE) return { kind: 'remove' };
  if (goal === ContainerGoal.REST) {
    // A restart of the machine took it before it ever ran; it can be attached to, and copied into, all the same.
    return !container && startedAt === 0 && failure === '' ? { kind: 'prepare' } : wait;
  }
  return delay > 0 ? { kind: 'wait', ms: delay } : { kind: 'house' };
}

function starting(record: StoredContainer, observed: ObservedContainer): ContainerStep {
  const { container, sandbox, failure } = observed;
  if (container?.status === 'running') return { kind: 'started' };
  // It has run and ended since the record was written.
  if (container?.status === 'exited' && container.startedAt !== record.startedAt) return { kind: 'started' };
  if (record.goal !== ContainerGoal.RUN) return { kind: 'giveUp', error: '' };
  if (failure !== '') return { kind: 'giveUp', error: failure };
  if (!container) return { kind: 'prepare' };
  if (sandbox.state === 'problem') {
    return sandbox.expired ? { kind: 'giveUp', error: `network: ${sandbox.message}` } : wait;
  }
  return sandbox.state === 'ready' ? { kind: 'start' } : wait;
}

function running({ goal }: StoredContainer, { container }: ObservedContainer): ContainerStep {
  if (container?.status !== 'running') return { kind: 'ended' };
  return goal === ContainerGoal.RUN ? wait : { kind: 'stop' };
}
