import { failedPrecondition, notFound } from '../../lib/errors.js';
import { HealthState, type Task, TaskState, TaskStateName } from '../../proto/gen/objects.js';
import { slotName } from '../../proto/task-names.js';
import { naturalOrder } from '../format/human.js';
import { reasonOf } from '../format/task-rows.js';

/** What is needed of a task. */
export type Need =
  /** A process can be run in it. */
  | 'running'
  /** There is a container, running or not. */
  | 'container'
  /** Nothing: it is only looked at. */
  | 'none';

export interface Choice {
  readonly task: Task;
  /** Names of the others that would have done as well. */
  readonly others: readonly string[];
}

/**
 * The task that a person most likely means by a service, or a slot of it: one that is to stay rather than one that
 * goes, healthy, on this node, of the lowest slot, the newest of it.
 * @param what as it was asked for, for the words
 * @param here id of this node
 * @throws NOT_FOUND when there is none, FAILED_PRECONDITION when none will do, with the state of the best one
 */
export function chooseTask(what: string, tasks: readonly Task[], need: Need, here: string): Choice {
  const sorted = [...tasks].sort((a, b) => compare(a, b, here));
  const [best] = sorted;
  if (!best) throw notFound(`no such task: ${what} has none`, { value: what });
  const fit = sorted.filter((task) => fits(task, need));
  const [task] = fit;
  if (!task) throw unfit(what, best, need);
  const names = fit.filter(isWanted).map((other) => slotName(other));
  return { task, others: [...new Set(names)].filter((name) => name !== slotName(task)) };
}

function fits({ nodeId, status: { state } }: Task, need: Need): boolean {
  if (need === 'running') return state === TaskState.RUNNING;
  return need === 'none' || (nodeId !== '' && state >= TaskState.STARTING && state < TaskState.REJECTED);
}

/** Negative when the first one is the likelier one. */
function compare(a: Task, b: Task, here: string): number {
  const better = (test: (task: Task) => boolean) => Number(test(b)) - Number(test(a));
  return (
    better(isWanted) ||
    better(({ status }) => status.state === TaskState.RUNNING) ||
    better(({ status }) => status.health !== HealthState.UNHEALTHY) ||
    better(({ nodeId }) => nodeId === here) ||
    naturalOrder(slotName(a), slotName(b)) ||
    b.meta.createdAt - a.meta.createdAt
  );
}

/** Managers want it to run, or, of a job, to run to its end. */
const isWanted = (task: Task): boolean => task.desiredState <= TaskState.COMPLETE;

function unfit(what: string, task: Task, need: Need) {
  const reason = reasonOf(task);
  const state = `${slotName(task)} is ${TaskStateName[task.status.state].toLowerCase()}${reason && ` (${reason})`}`;
  const lack = need === 'running' ? 'is not running' : 'has no container';
  return failedPrecondition(`${what} ${lack}: ${state}`, {
    value: what,
    hint: `"tsswarm service ps ${task.serviceName}" shows its tasks.`,
  });
}
