import { RestartCondition, type RestartPolicy, type Service, type Task, TaskState } from '../../proto/gen/index.js';
import { isJob, slotKey } from '../common/tasks.js';

const DEFAULT_DELAY = 5_000;

/** Milliseconds between the end of a task and the start of its successor. */
export function restartDelay(policy: RestartPolicy): number {
  return policy.delay === undefined ? DEFAULT_DELAY : policy.delay / 1e6;
}

/** Restarts before it do not count. Milliseconds since the epoch. */
function windowStart(policy: RestartPolicy, now: number): number {
  return policy.window === 0 ? Number.NEGATIVE_INFINITY : now - policy.window / 1e6;
}

interface Restarts {
  readonly specVersion: number;
  /** When, by the task that was replaced: the same replacement counts once. Milliseconds. */
  readonly at: Map<string, number>;
}

/**
 * How often tasks were restarted, slot by slot. It is this manager's memory only: after a change of
 * leader the attempts are counted from zero, as in Swarm.
 */
export class RestartHistory {
  readonly #services = new Map<string, Map<string, Restarts>>();

  /** Whether a task that has ended, or lost its node, is to have a successor. */
  allows(service: Service, task: Task, now: number): boolean {
    const policy = task.spec.restart;
    const { condition, maxAttempts } = policy;
    if (condition === RestartCondition.NONE) return false;
    // A job's task that has completed is done, whatever the condition says.
    if (task.status.state === TaskState.COMPLETE && (condition === RestartCondition.ON_FAILURE || isJob(service)))
      return false;
    if (maxAttempts === 0) return true;
    const restarts = this.#services.get(service.id)?.get(slotKey(service, task));
    if (!restarts || restarts.specVersion !== task.specVersion) return true;
    const since = windowStart(policy, now);
    let attempts = 0;
    for (const at of restarts.at.values()) if (at >= since) attempts++;
    return attempts < maxAttempts;
  }

  record(service: Service, task: Task, now: number): void {
    if (task.spec.restart.maxAttempts === 0) return;
    const slots = this.#services.get(service.id) ?? new Map<string, Restarts>();
    this.#services.set(service.id, slots);
    const key = slotKey(service, task);
    let restarts = slots.get(key);
    if (!restarts || restarts.specVersion !== task.specVersion) {
      restarts = { specVersion: task.specVersion, at: new Map() };
      slots.set(key, restarts);
    }
    restarts.at.set(task.id, now);
    const since = windowStart(task.spec.restart, now);
    for (const [id, at] of restarts.at) if (at < since) restarts.at.delete(id);
  }

  forget(serviceId: string): void {
    this.#services.delete(serviceId);
  }
}
