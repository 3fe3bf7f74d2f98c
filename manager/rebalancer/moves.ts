import { SwarmError } from '../../lib/errors.js';
import { type Service, UpdateState } from '../../proto/gen/index.js';
import { isDirty, isWanted } from '../common/tasks.js';
import { demandOf, readNodes } from '../scheduler/demand.js';
import type { ReadView } from '../store/store.js';
import { type Move, planMoves } from './plan.js';

/** Whether an update or rollback is going on, during which nothing is moved. */
export function isUpdating({ updateStatus }: Service): boolean {
  return updateStatus?.state === UpdateState.UPDATING || updateStatus?.state === UpdateState.ROLLBACK_STARTED;
}

/** What would make a service even now; of services that are not replicated nothing does. */
export function movesOf(view: ReadView, service: Service, now: number): readonly Move[] {
  if (!service.spec.replicated || service.pendingDelete) return [];
  const tasks = [...view.tasksOfService(service.id)];
  const sample = tasks.find((task) => isWanted(task) && !isDirty(service, task));
  const demand = sample && demandOf(view, sample);
  // Nothing of it runs that is as the spec asks, or the scheduler cannot read its constraints, which it tells.
  if (!demand || demand instanceof SwarmError) return [];
  return planMoves(service, demand, tasks, readNodes(view), now);
}
