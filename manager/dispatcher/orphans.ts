import type { Clock } from '../../lib/clock.js';
import { type Node, NodeState, type Task, TaskState } from '../../proto/gen/index.js';
import { hasLeft, isAttachment, isWanted, occupiesNode } from '../common/tasks.js';
import { isEvent, type ReadView, type StoreEvent, type WriteView } from '../store/store.js';

/** After so long without its node, what is known of a task is given up; milliseconds. */
export const ORPHAN_TIMEOUT = 24 * 3600_000;

/**
 * Gives up tasks of nodes that will not report on them: those of a node that has been down for a day,
 * and those that are to stop, or that nobody replaces, on a node that has left. Until then their addresses are not used again.
 */
export class Orphans {
  readonly #clock: Clock;
  readonly #wake: () => void;
  readonly #timers = new Map<string, () => void>();
  readonly #due = new Set<string>();
  #view: (() => ReadView) | undefined;

  constructor(clock: Clock, wake: () => void) {
    this.#clock = clock;
    this.#wake = wake;
  }

  /** @param view gives the newest state */
  start(view: () => ReadView): void {
    this.clear();
    this.#view = view;
    for (const node of view().list('node')) this.#nodeSeen(node);
  }

  observe(event: StoreEvent): void {
    if (isEvent(event, 'node')) {
      if (event.action === 'remove') this.#forget(event.object.id);
      else this.#nodeSeen(event.object);
    } else if (isEvent(event, 'task') && event.action !== 'remove') this.#taskSeen(event.object);
  }

  clear(): void {
    for (const id of [...this.#timers.keys()]) this.#forget(id);
    this.#due.clear();
  }

  /** Ids of tasks to give up. */
  take(): readonly string[] {
    const due = [...this.#due];
    this.#due.clear();
    return due;
  }

  orphan(draft: WriteView, taskId: string): void {
    const task = draft.get('task', taskId);
    if (!task || !occupiesNode(task)) return;
    const node = draft.get('node', task.nodeId);
    if (node && node.status.state !== NodeState.DOWN) return;
    const message = 'its node is gone; what became of the task is not known';
    const status = { ...task.status, state: TaskState.ORPHANED, timestamp: this.#clock.now(), message };
    draft.update('task', { ...task, status });
  }

  #nodeSeen(node: Node): void {
    if (node.status.state !== NodeState.DOWN) {
      this.#forget(node.id);
      return;
    }
    if (hasLeft(node)) for (const task of this.#tasksOf(node.id)) this.#taskSeen(task);
    if (this.#timers.has(node.id)) return;
    const wait = Math.max(0, node.status.since + ORPHAN_TIMEOUT - this.#clock.now());
    const expire = () => {
      for (const task of this.#tasksOf(node.id)) this.#due.add(task.id);
      this.#wake();
    };
    this.#timers.set(node.id, this.#clock.after(wait, expire));
  }

  #taskSeen(task: Task): void {
    if ((isWanted(task) && !isAttachment(task)) || !occupiesNode(task)) return;
    const node = this.#view?.().get('node', task.nodeId);
    if (node && hasLeft(node)) this.#due.add(task.id);
  }

  #tasksOf(nodeId: string): Iterable<Task> {
    return this.#view?.().tasksOfNode(nodeId) ?? [];
  }

  #forget(nodeId: string): void {
    this.#timers.get(nodeId)?.();
    this.#timers.delete(nodeId);
  }
}
