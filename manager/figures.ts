import { type Node, type NodeState, TaskState } from '../proto/gen/index.js';
import { isWanted } from './common/tasks.js';
import type { RaftFigures } from './raft/member/figures.js';
import { KINDS, type Kind, type ReadView } from './store/store.js';

/** What a manager knows of itself in numbers. */
export interface ManagerFigures extends StoreFigures {
  readonly leading: boolean;
  readonly raft: RaftFigures;
  /** Nodes whose agents have a session with this manager: none where it does not lead. */
  readonly sessions: number;
}

export interface StoreFigures {
  readonly objects: ReadonlyMap<Kind, number>;
  readonly tasks: ReadonlyMap<TaskState, number>;
  readonly nodes: ReadonlyMap<NodeState, number>;
  /** Tasks that wait for a node. */
  readonly pending: number;
}

/** Counted anew: they are asked for some times a minute, and changed some thousand times a second. */
export function storeFigures(view: ReadView): StoreFigures {
  const tasks = new Map<TaskState, number>();
  let pending = 0;
  for (const task of view.list('task')) {
    const { state } = task.status;
    tasks.set(state, (tasks.get(state) ?? 0) + 1);
    if (isWanted(task) && task.nodeId === '' && state === TaskState.PENDING) pending++;
  }
  return {
    objects: new Map(KINDS.map((kind) => [kind, view.count(kind)])),
    tasks,
    nodes: nodesByState(view.list('node')),
    pending,
  };
}

function nodesByState(nodes: Iterable<Node>): Map<NodeState, number> {
  const counts = new Map<NodeState, number>();
  for (const { status } of nodes) counts.set(status.state, (counts.get(status.state) ?? 0) + 1);
  return counts;
}
