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

/** The states that a task does not leave any more. */
export function isTerminal(state: TaskState): boolean {
  return state >= TaskState.COMPLETE;
}

/** A job's tasks have desired state COMPLETE: they run until they end by themselves. */
export function isToStop(local: LocalTask): boolean {
  return !local.assigned || local.task.desiredState > TaskState.COMPLETE;
}

/** From acceptance to the end of its container a task has a network namespace. */
export function needsSandbox({ status }: LocalTask): boolean {
  return status.state >= TaskState.ACCEPTED && !isTerminal(status.state);
}
