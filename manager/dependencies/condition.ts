import { type Service, type Task, TaskState } from '../../proto/gen/index.js';
import { isWanted, slotKey } from '../common/tasks.js';
import type { ReadView } from '../store/store.js';

/** What a service can be waited for to be. */
export const CONDITIONS = ['started', 'healthy', 'completed'] as const;
export type Condition = (typeof CONDITIONS)[number];

export function isCondition(text: string): text is Condition {
  return (CONDITIONS as readonly string[]).includes(text);
}

const WORDS: Readonly<Record<Condition, string>> = {
  started: 'to be started',
  healthy: 'to be healthy',
  completed: 'to complete',
};

/**
 * What of its dependencies a service waits for: `waiting for service db to be healthy (0/1)`; undefined when
 * there is nothing. A service that does not exist any more is not waited for.
 */
export function waitsFor(view: ReadView, { spec }: Service): string | undefined {
  const parts = spec.dependsOn.flatMap(({ service, condition }) => {
    const [found] = view.byName('service', service);
    if (!found || found.pendingDelete || !isCondition(condition)) return [];
    const { done, total } = progressOf(found, view.tasksOfService(found.id), condition);
    return total > 0 && done >= total ? [] : [`service ${service} ${WORDS[condition]} (${done}/${total})`];
  });
  return parts.length === 0 ? undefined : `waiting for ${parts.join(' and ')}`;
}

/**
 * How many of a service's tasks are in a condition, and how many are to be. A task is started when its
 * container is, and RUNNING only when it is healthy, if it has a check.
 */
function progressOf(
  service: Service,
  tasks: Iterable<Task>,
  condition: Condition,
): { readonly done: number; readonly total: number } {
  const [wanted, done] = [new Set<string>(), new Set<string>()];
  for (const task of tasks) {
    const { state } = task.status;
    if (service.jobStatus && task.jobIteration?.iteration !== service.jobStatus.iteration) continue;
    const completed = state === TaskState.COMPLETE;
    if (!isWanted(task) && !completed) continue;
    wanted.add(slotKey(service, task));
    const runs = isWanted(task) && state <= TaskState.RUNNING;
    const isDone = {
      started: completed || (runs && state >= TaskState.STARTING),
      healthy: runs && state === TaskState.RUNNING,
      completed,
    }[condition];
    if (isDone) done.add(slotKey(service, task));
  }
  return { done: done.size, total: total(service, condition) ?? wanted.size };
}

/** Undefined where there is one on each node that takes it. */
function total({ spec }: Service, condition: Condition): number | undefined {
  if (spec.replicated) return spec.replicated.replicas;
  if (!spec.replicatedJob) return undefined;
  const { totalCompletions, maxConcurrent } = spec.replicatedJob;
  const completions = totalCompletions || maxConcurrent || 1;
  // The later ones of a job start when the first are done.
  return condition === 'completed' ? completions : Math.min(maxConcurrent || completions, completions);
}
