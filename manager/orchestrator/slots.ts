import type { Service, Task } from '../../proto/gen/index.js';
import { isGlobal } from '../common/tasks.js';
import type { ReadView } from '../store/store.js';

/** Names a slot across services. Tasks of global services have slot 0 and are told apart by node. */
export function slotName(task: Task): string {
  return task.slot === 0 ? `${task.serviceId}@${task.nodeId}` : `${task.serviceId}.${task.slot}`;
}

/** All tasks, old ones too, of the slot that `of` is in. */
export function tasksInSlot(view: ReadView, service: Service, of: Pick<Task, 'slot' | 'nodeId'>): readonly Task[] {
  if (!isGlobal(service)) return [...view.tasksOfSlot(service.id, of.slot)];
  return [...view.tasksOfNode(of.nodeId)].filter((task) => task.serviceId === service.id);
}
