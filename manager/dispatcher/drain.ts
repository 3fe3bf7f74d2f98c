import type { TaskState } from '../../proto/gen/index.js';

/**
 * A task that is to stop is held back no longer than this, whoever has not answered; milliseconds. As long as a
 * silent node has by default before it is down: a daemon that restarts answers well within it, and one that
 * hangs does not hold up an update for ever.
 */
export const DRAIN_TIMEOUT = 15_000;
/** The same for a task that has become unhealthy: each request that still comes to it may fail. */
export const UNHEALTHY_DRAIN_TIMEOUT = 3_000;

/** How long tasks wait for nodes to confirm that they send nothing more to them, if not as usual; milliseconds. */
export interface DrainTimeouts {
  readonly stopping?: number;
  readonly unhealthy?: number;
}

interface Drain {
  /** What the task's own node goes on seeing. */
  readonly desiredState: TaskState;
  readonly deadline: number;
  /** Nodes that may still send to it, with the sequence that tells them not to; undefined until it is sent. */
  readonly waiting: Map<string, number | undefined>;
}

export interface Overdue {
  readonly taskId: string;
  /** Nodes that have not acknowledged. */
  readonly nodes: readonly string[];
}

/**
 * Tasks that serve and are to stop. Others are told first; a task's own node hears of it when every
 * node that sends to the task has acknowledged that it does no more, is down, or has had its time. A node
 * whose daemon does not answer just now is waited for like any other: its kernel goes on sending.
 *
 *     begin ──▶ held ──(all nodes acknowledged or down)──▶ released
 *                 └────(deadline)──────────────────────────▶ released, and the nodes are named
 *
 * Pure: nodes, sequences and time come in, tasks that are released go out.
 */
export class Drains {
  readonly #timeout: number;
  readonly #drains = new Map<string, Drain>();
  readonly #byNode = new Map<string, Set<string>>();

  /** @param timeout how long a task is held at most; milliseconds */
  constructor(timeout: number) {
    this.#timeout = timeout;
  }

  /**
   * Holds a task. Nothing is held when no node is to be waited for.
   * @param nodes those that may send to the task, connected or not
   */
  begin(taskId: string, desiredState: TaskState, nodes: Iterable<string>, now: number): void {
    if (this.#drains.has(taskId)) return;
    const waiting = new Map<string, number | undefined>();
    for (const node of nodes) waiting.set(node, undefined);
    if (waiting.size === 0) return;
    this.#drains.set(taskId, { desiredState, deadline: now + this.#timeout, waiting });
    for (const node of waiting.keys()) {
      const tasks = this.#byNode.get(node);
      if (tasks) tasks.add(taskId);
      else this.#byNode.set(node, new Set([taskId]));
    }
  }

  holds(taskId: string): boolean {
    return this.#drains.has(taskId);
  }

  /** The desired state that the task's own node is to see meanwhile; undefined when it is not held. */
  held(taskId: string): TaskState | undefined {
    return this.#drains.get(taskId)?.desiredState;
  }

  /** All that had changed for the node so far has gone out in the message with this sequence. */
  sent(nodeId: string, sequence: number): void {
    for (const taskId of this.#byNode.get(nodeId) ?? []) {
      const waiting = this.#drains.get(taskId)?.waiting;
      if (waiting?.has(nodeId) && waiting.get(nodeId) === undefined) waiting.set(nodeId, sequence);
    }
  }

  /** @returns tasks that are held no more */
  acknowledged(nodeId: string, sequence: number): readonly string[] {
    return this.#settle(nodeId, (needed) => needed !== undefined && needed <= sequence);
  }

  /** The node's session has ended: what it was told counts no more, and it hears of all of it again with the next. */
  disconnected(nodeId: string): void {
    for (const taskId of this.#byNode.get(nodeId) ?? []) this.#drains.get(taskId)?.waiting.set(nodeId, undefined);
  }

  /** The node is down or removed: it is not waited for. @returns tasks that are held no more */
  gone(nodeId: string): readonly string[] {
    return this.#settle(nodeId, () => true);
  }

  /** The task has stopped by itself. */
  cancel(taskId: string): void {
    const drain = this.#drains.get(taskId);
    if (!drain) return;
    this.#drains.delete(taskId);
    for (const node of drain.waiting.keys()) this.#forgetNode(node, taskId);
  }

  /** Releases what is past its deadline. */
  expire(now: number): readonly Overdue[] {
    const overdue: Overdue[] = [];
    for (const [taskId, { deadline, waiting }] of this.#drains) {
      if (deadline > now) break; // in the order of begin, and so of deadlines
      overdue.push({ taskId, nodes: [...waiting.keys()] });
    }
    for (const { taskId } of overdue) this.cancel(taskId);
    return overdue;
  }

  /** By the clock that the times given are of; undefined when nothing is held. */
  nextDeadline(): number | undefined {
    for (const { deadline } of this.#drains.values()) return deadline;
    return undefined;
  }

  #settle(nodeId: string, isSettled: (needed: number | undefined) => boolean): readonly string[] {
    const released: string[] = [];
    for (const taskId of [...(this.#byNode.get(nodeId) ?? [])]) {
      const waiting = this.#drains.get(taskId)?.waiting;
      if (!waiting || !isSettled(waiting.get(nodeId))) continue;
      waiting.delete(nodeId);
      this.#forgetNode(nodeId, taskId);
      if (waiting.size > 0) continue;
      this.#drains.delete(taskId);
      released.push(taskId);
    }
    return released;
  }

  #forgetNode(nodeId: string, taskId: string): void {
    const tasks = this.#byNode.get(nodeId);
    tasks?.delete(taskId);
    if (tasks?.size === 0) this.#byNode.delete(nodeId);
  }
}
