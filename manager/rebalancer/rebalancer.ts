import {
  type Node,
  RebalanceState,
  type RebalanceStatus,
  type Service,
  type Task,
  TaskState,
} from '../../proto/gen/index.js';
import { ControlLoop, type LoopOptions, type Reaction } from '../common/loop.js';
import { isWanted } from '../common/tasks.js';
import { acceptsTasks } from '../orchestrator/plan.js';
import { type Commit, isEvent, type Kind, type ReadView, type WriteView } from '../store/store.js';
import { isUpdating, movesOf } from './moves.js';

/** Milliseconds that a node must have been available before tasks are moved to it by themselves. */
export const SETTLE = 10_000;

type Change = (draft: WriteView) => void;

/**
 * Makes services even that are to be rebalanced: marks tasks with the node that they are to move to, a few
 * at a time. The orchestrator has their heirs run there before it stops them. How far a service is, its
 * RebalanceStatus says; what is begun by hand is begun by writing one.
 *
 * When the cluster's spec asks for it, this is begun for all services as nodes become available.
 */
export class Rebalancer implements Reaction {
  readonly kinds: readonly Kind[] = ['service', 'task', 'node', 'cluster'];
  readonly #options: LoopOptions;
  readonly #loop: ControlLoop;
  /** Services that are being rebalanced; and those of them to look at. */
  #active = new Set<string>();
  #due = new Set<string>();
  /** Nodes that have settled since the last look, by name where they were seen to come. */
  #settled = new Set<string>();
  /** Services to rebalance by themselves once they are not updated any more, with the reason. */
  #waiting = new Map<string, string>();
  #timers = new Map<string, () => void>();

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#loop = new ControlLoop(options);
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#loop.run(signal, this);
    this.#clear();
  }

  start(view: ReadView): void {
    this.#clear();
    for (const service of view.list('service')) this.#serviceSeen(service);
    // Whether the leader before has seen them come is not known.
    for (const node of view.list('node')) this.#nodeSeen(node);
  }

  observe(commit: Commit): void {
    for (const event of commit.events) {
      if (isEvent(event, 'service')) {
        if (event.action === 'remove') this.#forget(event.object.id);
        else this.#serviceSeen(event.object);
      } else if (isEvent(event, 'task')) {
        if (this.#active.has(event.object.serviceId)) this.#due.add(event.object.serviceId);
      } else if (isEvent(event, 'node')) this.#nodeSeen(event.object, event.old, event.action === 'remove');
      else if (isEvent(event, 'cluster') && event.object.spec.autoRebalance && !event.old?.spec.autoRebalance) {
        for (const node of this.#options.store.view().list('node')) this.#nodeSeen(node);
      }
    }
  }

  async act(): Promise<void> {
    const view = this.#options.store.view();
    // A node that may go again at once is not moved to on account of another one.
    const isCalm = this.#timers.size === 0 && (this.#settled.size > 0 || this.#waiting.size > 0);
    const changes = isCalm ? this.#begin(view) : [];
    for (const id of this.#due) changes.push(...this.#go(view, id));
    this.#due.clear();
    const { failed } = await this.#options.store.batch(changes, (draft, change) => change(draft));
    for (const error of failed.values()) throw error;
  }

  // ---- what is learned from the store --------------------------------------------------------

  #serviceSeen(service: Service): void {
    if (service.rebalance?.state === RebalanceState.MOVING && !service.pendingDelete) {
      this.#active.add(service.id);
      this.#due.add(service.id);
    } else this.#active.delete(service.id);
  }

  #forget(serviceId: string): void {
    this.#active.delete(serviceId);
    this.#due.delete(serviceId);
    this.#waiting.delete(serviceId);
  }

  #nodeSeen(node: Node, old?: Node, removed = false): void {
    if (removed || !acceptsTasks(node)) {
      this.#timers.get(node.id)?.();
      this.#timers.delete(node.id);
      return;
    }
    if (old && acceptsTasks(old)) return;
    this.#timers.get(node.id)?.();
    const settled = () => {
      this.#timers.delete(node.id);
      this.#settled.add(old ? node.description.hostname || node.id : '');
      this.#loop.wake();
    };
    this.#timers.set(node.id, this.#options.clock.after(SETTLE, settled));
  }

  #clear(): void {
    for (const cancel of this.#timers.values()) cancel();
    this.#timers = new Map();
    this.#active = new Set();
    this.#due = new Set();
    this.#settled = new Set();
    this.#waiting = new Map();
  }

  // ---- what is decided -----------------------------------------------------------------------

  /** Nodes have become available: what is uneven is rebalanced, of services that are being updated later. */
  #begin(view: ReadView): Change[] {
    const [cluster] = view.list('cluster');
    const { size } = this.#settled;
    const names = [...this.#settled].filter(Boolean);
    this.#settled.clear();
    if (!cluster?.spec.autoRebalance) {
      this.#waiting.clear();
      return [];
    }
    const message = names.length > 0 ? `after ${names.join(', ')} became available` : 'automatic';
    if (size > 0) for (const { id } of view.list('service')) this.#waiting.set(id, message);
    const now = this.#options.clock.now();
    const changes: Change[] = [];
    for (const [id, reason] of this.#waiting) {
      const service = view.get('service', id);
      if (service && isUpdating(service)) continue;
      this.#waiting.delete(id);
      if (!service || this.#active.has(id) || movesOf(view, service, now).length === 0) continue;
      changes.push((draft) => beginRebalance(draft, id, reason, now));
    }
    return changes;
  }

  #go(view: ReadView, id: string): Change[] {
    const service = view.get('service', id);
    if (service?.rebalance?.state !== RebalanceState.MOVING) return [];
    const tasks = [...view.tasksOfService(id)];
    const stuck = tasks.find((task) => isVain(service.rebalance?.startedAt ?? 0, task, tasks));
    if (stuck) return this.#stop(view, service, stuck, tasks);
    // Its update may take tasks away that are under way: it is looked at again when that is over.
    if (isUpdating(service)) return [];
    const moving = tasks.filter((task) => isWanted(task) && task.moveTo !== '').length;
    const now = this.#options.clock.now();
    const moves = movesOf(view, service, now);
    if (moves.length === 0 && moving === 0) {
      const { moved, message } = service.rebalance;
      const words = moved === 0 ? 'even already' : `${moved} task${moved === 1 ? '' : 's'} moved`;
      const state = RebalanceState.COMPLETED;
      return [(draft) => settle(draft, id, { state, message: message ? `${words} (${message})` : words }, now)];
    }
    return moves.slice(0, Math.max(0, parallelism(service) - moving)).map(
      ({ task, to }) =>
        (draft: WriteView) =>
          mark(draft, task, to),
    );
  }

  /** A task that cannot be moved stays, and so do those that have not begun to. */
  #stop(view: ReadView, { id }: Service, heir: Task, tasks: readonly Task[]): Change[] {
    const to = view.get('node', heir.nodeId)?.description.hostname ?? heir.nodeId;
    const why = heir.status.error || heir.status.message;
    const message = `${heir.serviceName}.${heir.slot} does not start on ${to}: ${why}`;
    const now = this.#options.clock.now();
    const back = tasks
      .filter((task) => isWanted(task) && task.moveTo !== '')
      .map((task) => (draft: WriteView) => mark(draft, task, ''));
    return [...back, (draft) => settle(draft, id, { state: RebalanceState.STOPPED, message }, now)];
  }
}

/** Has a service rebalanced. @param reason in words; empty when it was asked for by hand */
export function beginRebalance(draft: WriteView, serviceId: string, reason: string, now: number): void {
  const service = draft.get('service', serviceId);
  if (!service || service.pendingDelete || service.rebalance?.state === RebalanceState.MOVING) return;
  const begun = { startedAt: now, completedAt: 0, moved: 0, message: reason };
  draft.update('service', { ...service, rebalance: { state: RebalanceState.MOVING, ...begun } });
}

function settle(
  draft: WriteView,
  serviceId: string,
  end: Pick<RebalanceStatus, 'state' | 'message'>,
  completedAt: number,
): void {
  const service = draft.get('service', serviceId);
  if (service?.rebalance?.state !== RebalanceState.MOVING) return;
  draft.update('service', { ...service, rebalance: { ...service.rebalance, ...end, completedAt } });
}

/** Has a task moved to a node, or stay when that is empty. */
function mark(draft: WriteView, { id, nodeId }: Task, moveTo: string): void {
  const task = draft.get('task', id);
  if (!task || !isWanted(task) || task.nodeId !== nodeId || task.moveTo === moveTo) return;
  if (moveTo !== '' && task.status.state !== TaskState.RUNNING) return;
  draft.update('task', { ...task, moveTo });
}

/** An heir that has ended, or found no room, before it could take over: since when, tells which rebalance it is of. */
function isVain(since: number, heir: Task, tasks: readonly Task[]): boolean {
  if (heir.replaces === '' || heir.nodeId === '' || heir.meta.createdAt < since) return false;
  const { state, error } = heir.status;
  const failed = state === TaskState.FAILED || state === TaskState.REJECTED;
  const refused = state === TaskState.PENDING && error !== '' && isWanted(heir);
  return (
    (failed || refused) &&
    tasks.some(({ id, desiredState }) => id === heir.replaces && desiredState <= TaskState.RUNNING)
  );
}

/** As many at a time as its updates replace. */
function parallelism({ spec }: Service): number {
  return (spec.update?.parallelism ?? 1) || Number.POSITIVE_INFINITY;
}
