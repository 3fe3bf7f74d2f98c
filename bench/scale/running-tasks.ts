import { codeOf } from '../../lib/errors.js';
import { isWanted } from '../../manager/common/tasks.js';
import { isEvent, type Store } from '../../manager/store/store.js';
import { type Node, NodeState, type Task, TaskState } from '../../proto/gen/index.js';

/** Counts a store's tasks as they change: to look through all of them, time and again, would be most of what is measured. */
export class RunningTasks {
  readonly #onNode = new Map<string, number>();
  readonly #down = new Set<string>();

  /** Those that run and are to, on nodes that are not down. */
  get count(): number {
    let sum = 0;
    for (const [nodeId, count] of this.#onNode) if (!this.#down.has(nodeId)) sum += count;
    return sum;
  }

  /** Nodes that are. */
  get down(): number {
    return this.#down.size;
  }

  /** Begins again where the state has been replaced by a snapshot of the leader's. */
  async follow(store: Store, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#followOnce(store, signal);
      } catch (error) {
        if (codeOf(error) !== 'UNAVAILABLE') throw error;
      }
    }
  }

  async #followOnce(store: Store, signal: AbortSignal): Promise<void> {
    const { snapshot, commits } = store.watch(signal, ['task', 'node']);
    this.#onNode.clear();
    this.#down.clear();
    for (const task of snapshot.list('task')) this.#add(task, 1);
    for (const node of snapshot.list('node')) this.#nodeSeen(node);
    for await (const { events } of commits) {
      for (const event of events) {
        if (isEvent(event, 'task')) {
          if (event.old) this.#add(event.old, -1);
          this.#add(event.object, event.action === 'remove' ? -1 : 1);
        } else if (isEvent(event, 'node')) this.#nodeSeen(event.object);
      }
    }
  }

  #nodeSeen({ id, status }: Node): void {
    if (status.state === NodeState.DOWN) this.#down.add(id);
    else this.#down.delete(id);
  }

  #add(task: Task, change: 1 | -1): void {
    if (!isWanted(task) || task.status.state !== TaskState.RUNNING) return;
    this.#onNode.set(task.nodeId, (this.#onNode.get(task.nodeId) ?? 0) + change);
  }
}
