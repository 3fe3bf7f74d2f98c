import {
  type Node,
  type PortConfig,
  Protocol,
  PublishMode,
  type ResourceReservations,
  type Task,
} from '../../proto/gen/index.js';
import { isAttachment, isWanted, occupiesNode } from '../common/tasks.js';

/** A node that has failed this many tasks of a service within the window is chosen last. */
export const MAX_FAILURES = 5;
export const FAILURE_WINDOW = 5 * 60_000;

/** One service at one version of its spec: what fails may work again in the next. */
export function groupKey(task: Task): string {
  return task.serviceId === '' ? `task/${task.id}` : `${task.serviceId}/${task.specVersion}`;
}

export function hostPortKeys(ports: readonly PortConfig[]): readonly string[] {
  return ports
    .filter((port) => port.publishMode === PublishMode.HOST && port.publishedPort !== 0)
    .map(
      (port) =>
        `${port.publishedPort}/${port.protocol === Protocol.TCP ? 'tcp' : port.protocol === Protocol.UDP ? 'udp' : 'sctp'}`,
    );
}

interface Load {
  readonly task: Task;
  readonly hostPorts: readonly string[];
}

/**
 * What a node has, and what its tasks take of it. `put` replaces what was known of the task, so that
 * hearing of it twice counts once.
 */
export class NodeInfo {
  node: Node;
  readonly #loads = new Map<string, Load>();
  readonly #services = new Map<string, number>();
  readonly #hostPorts = new Map<string, number>();
  readonly #failures = new Map<string, number[]>();
  readonly #generic = new Map<string, number>();
  #nanoCpus = 0;
  #memoryBytes = 0;
  #wanted = 0;

  constructor(node: Node) {
    this.node = node;
  }

  /** Tasks here that are to run. */
  get total(): number {
    return this.#wanted;
  }

  get freeNanoCpus(): number {
    return this.node.description.resources.nanoCpus - this.#nanoCpus;
  }

  get freeMemoryBytes(): number {
    return this.node.description.resources.memoryBytes - this.#memoryBytes;
  }

  freeGeneric(kind: string): number {
    const items = this.node.description.resources.generic.filter((g) => g.kind === kind);
    const has = items.reduce((sum, g) => sum + (g.named === '' ? g.value : 1), 0);
    return has - (this.#generic.get(kind) ?? 0);
  }

  /** Tasks of this service here that are to run. */
  tasksOf(serviceId: string): number {
    return this.#services.get(serviceId) ?? 0;
  }

  usesHostPort(key: string): boolean {
    return this.#hostPorts.has(key);
  }

  /** Takes note of a task as it is now. @returns true when it left resources that others may wait for */
  put(task: Task): boolean {
    const freed = this.remove(task.id);
    if (!occupiesNode(task)) return freed;
    const load = { task, hostPorts: hostPortKeys(task.endpoint.ports) };
    this.#loads.set(task.id, load);
    this.#count(load, 1);
    return freed && !isWanted(task);
  }

  /** @returns whether it was here */
  remove(taskId: string): boolean {
    const load = this.#loads.get(taskId);
    if (!load) return false;
    this.#loads.delete(taskId);
    this.#count(load, -1);
    return true;
  }

  /** @param now milliseconds */
  failed(key: string, now: number): void {
    const recent = (this.#failures.get(key) ?? []).filter((at) => at > now - FAILURE_WINDOW);
    this.#failures.set(key, [...recent, now].sort((a, b) => a - b).slice(-MAX_FAILURES));
  }

  isFailing(key: string, now: number): boolean {
    const recent = (this.#failures.get(key) ?? []).filter((at) => at > now - FAILURE_WINDOW);
    if (recent.length === 0) this.#failures.delete(key);
    return recent.length >= MAX_FAILURES;
  }

  #count({ task, hostPorts }: Load, by: 1 | -1): void {
    const { nanoCpus, memoryBytes, generic }: ResourceReservations = task.spec.resources.reservations;
    this.#nanoCpus += by * nanoCpus;
    this.#memoryBytes += by * memoryBytes;
    for (const { kind, value } of generic) add(this.#generic, kind, by * value);
    for (const key of hostPorts) add(this.#hostPorts, key, by);
    if (!isWanted(task) || isAttachment(task)) return;
    this.#wanted += by;
    if (task.serviceId !== '') add(this.#services, task.serviceId, by);
  }
}

function add(counts: Map<string, number>, key: string, by: number): void {
  const sum = (counts.get(key) ?? 0) + by;
  if (sum === 0) counts.delete(key);
  else counts.set(key, sum);
}
