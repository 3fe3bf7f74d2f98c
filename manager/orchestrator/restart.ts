import {
  RestartCondition,
  type RestartPolicy,
  Restarts,
  type Service,
  type Task,
  TaskState,
} from '../../proto/gen/index.js';
import { isJob } from '../common/tasks.js';
import { FAILURE_WINDOW, MAX_FAILURES } from '../scheduler/node-info.js';

const DEFAULT_DELAY = 5_000;
/** So many failures in a row are answered after the policy's delay, as in Swarm; then it doubles each time. */
const PATIENCE = 3;
/** What the delay grows from when the policy has none, and by how much it grows at most; milliseconds. */
const LEAST_STEP = 1_000;
const MOST_EXTRA = 120_000;
/** A task that has run so long was not broken from its start: what it fails of begins a new row; milliseconds. */
const SETTLED = 60_000;
/** Restarts that are kept for a window. A policy that allows more within it is not held to its limit. */
const MOST_KEPT = 1_000;

/**
 * Milliseconds between the end of a task and the start of its successor.
 * @param failures that have come in a row, each soon after its start
 */
export function restartDelay(policy: RestartPolicy, failures = 0): number {
  const delay = policy.delay === undefined ? DEFAULT_DELAY : policy.delay / 1e6;
  if (failures <= PATIENCE) return delay;
  return Math.min(Math.max(delay, LEAST_STEP) * 2 ** (failures - PATIENCE), delay + MOST_EXTRA);
}

/**
 * The desired state of a successor until its delay is over: it is made ready, unless that is what its predecessor
 * failed at. It would fail at once, and so would all that follow, without a pause between them.
 */
export function whileDelayed({ status }: Task): TaskState {
  return status.state === TaskState.REJECTED ? TaskState.ACCEPTED : TaskState.READY;
}

/** Whether a task that has ended, or must leave its node, is to have a successor. */
export function allowsRestart(service: Service, task: Task, now: number): boolean {
  const { condition, maxAttempts, window } = task.spec.restart;
  if (condition === RestartCondition.NONE) return false;
  // A job's task that has completed is done, whatever the condition says.
  if (task.status.state === TaskState.COMPLETE && (condition === RestartCondition.ON_FAILURE || isJob(service)))
    return false;
  if (maxAttempts === 0 || !hasEnded(task)) return true;
  const { attempts, at } = task.restarts ?? Restarts.create();
  return (window === 0 ? attempts : since(at, now - window / 1e6).length) < maxAttempts;
}

/** What the successor of a task is to know of those before it. One that only moves has not ended, and counts nothing. */
export function restartsAfter(task: Task, now: number): Restarts {
  const before = task.restarts ?? Restarts.create();
  if (!hasEnded(task)) return before;
  const { maxAttempts, window } = task.spec.restart;
  const kept = Math.min(maxAttempts, MOST_KEPT);
  const failed = task.status.state === TaskState.FAILED || task.status.state === TaskState.REJECTED;
  const ran = task.startedAt === 0 ? 0 : task.status.timestamp - task.startedAt;
  return {
    attempts: before.attempts + 1,
    at: window > 0 && kept > 0 ? [...since(before.at, now - window / 1e6), now].slice(-kept) : [],
    failures: failed ? (ran < SETTLED ? before.failures : 0) + 1 : 0,
    recent: [
      ...before.recent.filter(({ at }) => at > now - FAILURE_WINDOW),
      ...(failed ? [{ nodeId: task.nodeId, at: now }] : []),
    ].slice(-MAX_FAILURES),
  };
}

function since(times: readonly number[], start: number): readonly number[] {
  return times.filter((at) => at >= start);
}

function hasEnded(task: Task): boolean {
  return task.status.state > TaskState.RUNNING;
}
