import { RestartCondition, type Service, type Task, TaskState } from '../../proto/gen/index.js';
import { byAge, isDirty, isWanted } from '../common/tasks.js';
import { spreadValue } from '../scheduler/constraint.js';
import type { Demand } from '../scheduler/filters.js';
import { groupKey, type NodeInfo } from '../scheduler/node-info.js';
import { place } from '../scheduler/placement.js';

/** A task that is to run on another node. */
export interface Move {
  readonly task: Task;
  /** Id of the node. */
  readonly to: string;
}

/**
 * The moves after which the tasks of a replicated service are spread as evenly as they can be, one after
 * the other: each takes a task from where two more of them are than where the scheduler would put it, by
 * the first spread preference in which these nodes differ, or else by node. None when it is even.
 *
 * Moves that are under way count as made.
 * @param nodes what is on each, by id; changed by what is planned
 * @param now milliseconds since the epoch
 */
export function planMoves(
  service: Service,
  demand: Demand,
  tasks: readonly Task[],
  nodes: ReadonlyMap<string, NodeInfo>,
  now: number,
): readonly Move[] {
  for (const task of tasks) if (isWanted(task) && task.moveTo !== '') anticipate(task, tasks, nodes);
  const movable = new Map<string, Task[]>();
  for (const task of [...tasks].sort(byAge)) {
    if (isMovable(service, task)) movable.set(task.nodeId, [...(movable.get(task.nodeId) ?? []), task]);
  }
  // Where the service keeps failing nothing is moved to.
  const kinds = [...new Set(tasks.filter(isWanted).map(groupKey))];
  const targets = [...nodes.values()].filter((info) => !kinds.some((kind) => info.isFailing(kind, now)));
  const moves: Move[] = [];
  for (let move = nextMove(); move; move = nextMove()) moves.push(move);
  return moves;

  function nextMove(): Move | undefined {
    const sources = [...movable].flatMap(([id, of]) => {
      const info = nodes.get(id);
      return info && of.length > 0 ? [{ info, of }] : [];
    });
    sources.sort(
      (a, b) => b.info.tasksOf(service.id) - a.info.tasksOf(service.id) || (a.info.node.id < b.info.node.id ? -1 : 1),
    );
    for (const { info, of } of sources) {
      const task = of.at(-1); // the youngest: what has run longest goes on
      if (!task) continue;
      info.remove(task.id);
      const [target] = place(demand, 1, targets, () => false).nodes;
      if (target && target !== info && isBetter(info, target)) {
        of.pop();
        target.put({ ...task, nodeId: target.node.id });
        return { task, to: target.node.id };
      }
      info.put(task);
    }
    return undefined;
  }

  /** Whether a task that has been taken from one node makes it more even on the other. */
  function isBetter(from: NodeInfo, to: NodeInfo): boolean {
    let [own, others] = [[...nodes.values()], [...nodes.values()]];
    for (const { spread } of service.spec.task.placement.preferences) {
      if (spread === '') continue;
      own = own.filter(({ node }) => spreadValue(node, spread) === spreadValue(from.node, spread));
      others = others.filter(({ node }) => spreadValue(node, spread) === spreadValue(to.node, spread));
      if (spreadValue(from.node, spread) !== spreadValue(to.node, spread)) return count(own) > count(others);
    }
    return from.tasksOf(service.id) > to.tasksOf(service.id);
  }

  function count(infos: readonly NodeInfo[]): number {
    return infos.reduce((sum, info) => sum + info.tasksOf(service.id), 0);
  }
}

/** As it will be when the heir of a task that moves has taken over. */
function anticipate(task: Task, tasks: readonly Task[], nodes: ReadonlyMap<string, NodeInfo>): void {
  nodes.get(task.nodeId)?.remove(task.id);
  for (const heir of tasks) if (heir.replaces === task.id) nodes.get(heir.nodeId)?.remove(heir.id);
  nodes.get(task.moveTo)?.put({ ...task, nodeId: task.moveTo });
}

/** A task that is never to be made anew is not moved either. */
function isMovable(service: Service, task: Task): boolean {
  return (
    task.desiredState === TaskState.RUNNING &&
    task.status.state === TaskState.RUNNING &&
    task.moveTo === '' &&
    task.spec.restart.condition !== RestartCondition.NONE &&
    !isDirty(service, task)
  );
}
