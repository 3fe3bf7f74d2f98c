import type { ManualClock } from '../../lib/clock.js';
import type { Random } from '../../lib/seeded-random.js';
import {
  type Node,
  type NodeAvailability,
  NodeState,
  type Task,
  TaskState,
  TaskStateName,
  TaskStatus,
} from '../../proto/gen/index.js';
import { withStatus } from '../common/tasks.js';
import type { MemoryStore } from '../store/memory-store.js';

const LIFE = [TaskState.ACCEPTED, TaskState.PREPARING, TaskState.READY, TaskState.STARTING, TaskState.RUNNING] as const;

/** How likely a container ends by itself in one step: one in so many. */
const ENDS = 60;

/**
 * The machines of a random swarm: what really runs on them, which managers only hear of. They take their
 * tasks through the states one at a time, in random steps, and report them as the dispatcher would.
 */
export class RandomMachines {
  /** What each has of its tasks, also while nobody can hear of it. */
  readonly #states = new Map<string, Map<string, TaskState>>();
  /** Nodes that have no connection. */
  readonly #silent = new Set<string>();
  /** Tasks that were on a node when it was given up: they are replaced elsewhere, and run until it hears of that. */
  readonly #strays = new Set<string>();
  readonly #store: MemoryStore;
  readonly #clock: ManualClock;
  readonly #random: Random;

  constructor(store: MemoryStore, clock: ManualClock, random: Random) {
    this.#store = store;
    this.#clock = clock;
    this.#random = random;
  }

  /** Ids of tasks whose containers run, on any machine. */
  running(): string[] {
    const tasks = [...this.#states.values()].flatMap((own) => [...own]);
    return tasks.filter(([, state]) => hasContainer(state)).map(([id]) => id);
  }

  isStray(taskId: string): boolean {
    return this.#strays.has(taskId);
  }

  isSilent(nodeId: string): boolean {
    return this.#silent.has(nodeId);
  }

  /** Managers have given the node up; it goes on for itself, or has lost its power and all containers. */
  async lose(node: Node, power: boolean): Promise<void> {
    this.#silent.add(node.id);
    for (const { id } of this.#store.view().tasksOfNode(node.id)) this.#strays.add(id);
    if (power) this.#states.delete(node.id);
    await this.#setState(node.id, NodeState.DOWN);
  }

  async find(node: Node): Promise<void> {
    this.#silent.delete(node.id);
    await this.#setState(node.id, NodeState.READY);
  }

  async setAvailability(node: Node, availability: NodeAvailability): Promise<void> {
    await this.#store.update((draft) => {
      const current = draft.get('node', node.id);
      if (current) draft.update('node', { ...current, spec: { ...current.spec, availability } });
    });
  }

  /**
   * Every machine does a little for some of its tasks.
   * @param calm no container ends by itself, and none is left out
   */
  async step(calm: boolean): Promise<void> {
    const reports: { readonly task: Task; readonly state: TaskState }[] = [];
    const view = this.#store.view();
    for (const node of view.list('node')) {
      if (this.#silent.has(node.id)) continue;
      const own = this.#states.get(node.id) ?? new Map<string, TaskState>();
      this.#states.set(node.id, own);
      for (const id of own.keys()) if (view.get('task', id)?.nodeId !== node.id) own.delete(id);
      for (const task of view.tasksOfNode(node.id)) {
        if (task.status.state < TaskState.ASSIGNED || (!calm && this.#random(3) === 0)) continue;
        const state = this.#next(task, own.get(task.id), calm);
        own.set(task.id, state);
        if (state > task.status.state) reports.push({ task, state });
      }
    }
    await this.#store.batch(reports, (draft, { task, state }) => {
      const current = draft.get('task', task.id);
      if (!current || state <= current.status.state) return;
      const error = state === TaskState.FAILED || state === TaskState.REJECTED ? TaskStateName[state] : '';
      draft.update('task', withStatus(current, TaskStatus.create({ state, timestamp: this.#clock.now(), error })));
    });
  }

  /** @param has what the machine has of the task; undefined: nothing, and of a task that it had, nothing any more */
  #next(task: Task, has: TaskState | undefined, calm: boolean): TaskState {
    if (task.status.state > TaskState.RUNNING) return task.status.state;
    const state = has ?? (task.status.state > TaskState.ASSIGNED ? TaskState.FAILED : TaskState.ASSIGNED);
    if (state > TaskState.RUNNING) return state;
    if (task.desiredState >= TaskState.SHUTDOWN) return TaskState.SHUTDOWN;
    if (!calm && this.#random(ENDS) === 0) return this.#end(state);
    if (state === TaskState.RUNNING && task.desiredState === TaskState.COMPLETE) {
      return calm || this.#random(3) === 0 ? TaskState.COMPLETE : state;
    }
    const next = LIFE.find((later) => later > state);
    return next === undefined || next > task.desiredState ? state : next;
  }

  #end(state: TaskState): TaskState {
    if (state < TaskState.STARTING) return TaskState.REJECTED;
    return this.#random(3) === 0 ? TaskState.COMPLETE : TaskState.FAILED;
  }

  async #setState(nodeId: string, state: NodeState): Promise<void> {
    await this.#store.update((draft) => {
      const node = draft.get('node', nodeId);
      if (node) draft.update('node', { ...node, status: { ...node.status, state, since: this.#clock.now() } });
    });
  }
}

function hasContainer(state: TaskState): boolean {
  return state === TaskState.STARTING || state === TaskState.RUNNING;
}
