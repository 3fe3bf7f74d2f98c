import { isWanted } from '../common/tasks.js';
import { type Commit, isEvent } from '../store/store.js';

/** What has become of tasks for one call of an operator: numbers of tasks. */
export interface TasksOfChange {
  made: number;
  /** Given a node. */
  placed: number;
  /** No longer wanted. */
  stopped: number;
}

/** By the id of the call; what nodes tell of their tasks is not in it. */
export function tasksByChange(commit: Commit): ReadonlyMap<string, TasksOfChange> {
  const all = new Map<string, TasksOfChange>();
  for (const event of commit.events) {
    if (!isEvent(event, 'task') || event.action === 'remove') continue;
    const { object, old } = event;
    const made = old === undefined;
    const placed = object.nodeId !== '' && (old?.nodeId ?? '') === '';
    const stopped = old !== undefined && isWanted(old) && !isWanted(object);
    const { changeId } = object.meta;
    if (changeId === '' || !(made || placed || stopped)) continue;
    const tasks = all.get(changeId) ?? { made: 0, placed: 0, stopped: 0 };
    tasks.made += Number(made);
    tasks.placed += Number(placed);
    tasks.stopped += Number(stopped);
    all.set(changeId, tasks);
  }
  return all;
}
