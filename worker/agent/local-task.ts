import { type NetworkRecord, type Task, TaskState, type TaskStatus } from '../../proto/gen/index.js';

/** A task as this node has it. */
export interface LocalTask {
  /** As last assigned: spec, desired state, addresses. Its `status` is the manager's and not looked at. */
  readonly task: Task;
  /** As observed here. Its container's id is the task's id: a task has one container in its life. */
  readonly status: TaskStatus;
  /** False once managers have taken it out of the node's assignments: all traces of it are to go. */
  readonly assigned: boolean;
  /** The networks that it is attached to: its sandbox outlasts their place in the assignments. */
  readonly networks: readonly NetworkRecord[];
}

/**
 * The task as managers have it now; undefined: it is no longer assigned to this node. What is to stop stays so: a
 * manager that has just begun to lead may not know how far its predecessor came.
 */
export function reassigned(local: LocalTask, task: Task | undefined, networks: readonly NetworkRecord[]): LocalTask {
  const { desiredState } = local.task;
  if (!task) return { ...local, task: { ...local.task, desiredState: TaskState.REMOVE }, assigned: false };
  const isFurther = isToStop(local) && local.assigned && desiredState > task.desiredState;
  return { ...local, task: isFurther ? { ...task, desiredState } : task, networks, assigned: true };
}

/** The states that a task does not leave any more. */
export function isTerminal(state: TaskState): boolean {
  return state >= TaskState.COMPLETE;
}

/** A job's tasks have desired state COMPLETE: they run until they end by themselves. */
export function isToStop(local: LocalTask): boolean {
  return !local.assigned || local.task.desiredState > TaskState.COMPLETE;
}

/** A container of this node, made by `run`, in a network of the swarm: it has no container of its own. */
export function isAttachment(task: Task): boolean {
  return task.spec.attachment !== undefined;
}

/** Digits of a container's id that name its network namespace. */
const SHORT_ID = 12;

/** Name of the network namespace in which the task has its endpoints: an attachment's are in its container's. */
export function sandboxId(task: Task): string {
  return task.spec.attachment?.containerId.slice(0, SHORT_ID) ?? task.id;
}

/**
 * From acceptance to the end of its container a task has endpoints in a network namespace. An attachment has
 * no states on disk that tell how far it got, and nothing to accept: it has them from the first.
 */
export function needsSandbox({ task, status }: LocalTask): boolean {
  const from = isAttachment(task) ? TaskState.ASSIGNED : TaskState.ACCEPTED;
  return status.state >= from && !isTerminal(status.state);
}
