import { failedPrecondition, type SwarmError, unavailable } from '../../lib/errors.js';
import { type Node, type Task, TaskState, TaskStateName } from '../../proto/gen/index.js';
import { taskName } from '../../proto/task-names.js';
import { isAttachment } from '../common/tasks.js';

/** What an operator wants of a task. */
export interface Wanted {
  readonly ref: string;
  readonly call: 'exec' | 'attach' | 'cp';
  /** Files can be copied in a container that does not run. */
  readonly running: boolean;
  /** For the log: arguments may be secret. */
  readonly program?: string | undefined;
}

/** @throws FAILED_PRECONDITION for a task that has no container, or one that does not run */
export function checkReachable(task: Task, { running }: Wanted): void {
  const name = taskName(task);
  if (isAttachment(task))
    throw failedPrecondition(`${name} is a container of a node, and not of a service`, {
      value: name,
      hint: 'On its node, "tsswarm exec" and "tsswarm cp" take it.',
    });
  const { state, error, message } = task.status;
  if (running ? state === TaskState.RUNNING : task.nodeId !== '' && state >= TaskState.STARTING) return;
  const why = error || message;
  const what = running ? 'is not running' : 'has no container yet';
  throw failedPrecondition(`task ${name} ${what}: it is ${TaskStateName[state].toLowerCase()}${why && ` (${why})`}`, {
    value: name,
    hint: `"tsswarm service ps ${task.serviceName}" shows its service's tasks.`,
  });
}

/** For who was in the middle of it when the node, or the way to it, broke down. */
export function cutOff(node: Node, { call }: Wanted, cause: unknown): SwarmError {
  const hint = call === 'cp' ? 'What was copied may not be whole.' : 'What ran there may go on.';
  return unavailable(`node ${nameOf(node)} was cut off in the middle of ${call}`, { value: nameOf(node), hint, cause });
}

export const nameOf = (node: Node): string => node.description.hostname || node.id;
