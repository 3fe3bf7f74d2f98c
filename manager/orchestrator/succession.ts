import { type Node, type Service, type Task, TaskState, UpdateOrder } from '../../proto/gen/index.js';
import {
  byAge,
  isDirty,
  isGlobal,
  isJob,
  isLost,
  isWanted,
  newTask,
  runState,
  withDesiredState,
} from '../common/tasks.js';
import type { WriteView } from '../store/store.js';
import { allowsRestart, restartDelay, restartsAfter, whileDelayed } from './restart.js';
import { tasksInSlot } from './slots.js';

/**
 * A task that serves and is to leave its node goes on until an heir runs in its place: when it is moved
 * so that the swarm is even, and when its node is drained and the service is updated start-first.
 */
export function leavesLast(service: Service, task: Task, node: Node | undefined, displaced: boolean): boolean {
  if (isGlobal(service) || isJob(service) || isLost(node) || task.status.state !== TaskState.RUNNING) return false;
  return task.moveTo !== '' || (displaced && service.spec.update?.order === UpdateOrder.START_FIRST);
}

/**
 * Makes the heir of a task that `leavesLast`, or lets the task go when the heir runs. An heir that fails
 * is restarted as any task, while the old one goes on; when it may not be, a drained node is left without one,
 * and a move is given up.
 * @param id of the heir, if one is made; @param now milliseconds since the epoch
 */
export function succeed(
  draft: WriteView,
  service: Service,
  task: Task,
  displaced: boolean,
  { id, now }: { readonly id: string; readonly now: number },
): void {
  const others = tasksInSlot(draft, service, task).filter((other) => other.id !== task.id);
  // An heir that an update has made old meanwhile serves as well: the update replaces it too.
  const heir = others.find((other) => isWanted(other) && (!isDirty(service, other) || other.replaces === task.id));
  if (heir) {
    if (heir.status.state !== TaskState.RUNNING) return;
    draft.update('task', withDesiredState(task, TaskState.SHUTDOWN, now, heir));
    if (task.moveTo !== '' && service.rebalance) {
      const rebalance = { ...service.rebalance, moved: service.rebalance.moved + 1 };
      draft.update('service', { ...service, rebalance });
    }
    return;
  }
  // Its update replaces it anyway.
  if (!displaced && isDirty(service, task)) return;
  const last = [...others].sort(byAge).findLast((other) => other.replaces === task.id);
  if (!allowsRestart(service, last ?? task, now)) {
    if (displaced) draft.update('task', withDesiredState(task, TaskState.SHUTDOWN, now));
    return;
  }
  const restarts = isDirty(service, task) ? undefined : restartsAfter(last ?? task, now);
  const cause = displaced ? draft.get('node', task.nodeId) : service;
  const failed = last !== undefined && last.status.state > TaskState.RUNNING;
  const delay = failed ? restartDelay(task.spec.restart, restarts?.failures) : 0;
  const desiredState = delay > 0 ? whileDelayed(last ?? task) : runState(service);
  const place = { slot: task.slot, nodeId: task.moveTo, replaces: task.id };
  const startAfter = now + delay;
  draft.create('task', newTask(service, { ...place, id, desiredState, now, startAfter, restarts, cause }));
}

/** The task stays after all, or has ended: heirs that are not needed for that go. @returns the others of its slot that are wanted */
export function disinherit(
  draft: WriteView,
  service: Service,
  task: Task,
  isNeeded: (heir: Task) => boolean,
  now: number,
): readonly Task[] {
  const wanted = tasksInSlot(draft, service, task).filter((other) => other.id !== task.id && isWanted(other));
  const isVain = (other: Task) => other.replaces === task.id && !isNeeded(other);
  for (const other of wanted.filter(isVain)) draft.update('task', withDesiredState(other, TaskState.REMOVE, now));
  return wanted.filter((other) => !isVain(other));
}

/** Made for one node, which has not taken it: as a move would have it, and of no use otherwise. */
export function waitsForItsNode(heir: Task): boolean {
  return heir.nodeId !== '' && heir.status.state < TaskState.ASSIGNED;
}
