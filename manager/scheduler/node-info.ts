import type { Node, PortConfig, ResourceReservations, Task } from '../../proto/gen/index.js';
import { includesPort, isHostMode, isRange } from '../../proto/ports.js';
import { mayClash } from '../common/published-ports.js';
import { isAttachment, isWanted, occupiesNode } from '../common/tasks.js';

/** A node that has failed this many tasks of a service within the window is chosen last. */
export const MAX_FAILURES = 5;
export const FAILURE_WINDOW = 5 * 60_000;

/** One service at one version of its spec: what fails may work again in the next. */
export function groupKey(task: Task): string {
  return task.serviceId === '' ? `task/${task.id}` : `${task.serviceId}/${task.specVersion}`;
}

/** The ports that a task asks of its node; those that it leaves open are found there. */
export function hostPortsOf(ports: readonly PortConfig[]): readonly PortConfig[] {
  return ports.filter((port) => isHostMode(port) && port.publishedPort !== 0);
}

/** What a task has of its node: where it chooses, what its node has told; until then, what it may choose from. */
function hostPortsOn({ endpoint, status }: Task): readonly PortConfig[] {
  const told = hostPortsOf(status.portStatus.ports);
  return told.length > 0 ? told : hostPortsOf(endpoint.ports);
}

interface Load {
  readonly task: Task;
  readonly hostPorts: readonly PortConfig[];
}

/**
 * What a node has, and what its tasks take of it. `put` replaces what was known of the task, so that
 * hearing of it twice counts once.
 */
export class NodeInfo {
  node: Node;
  readonly #loads = new Map<string, Load>();
  readonly #services = new Map<string, number>();
  /** By task, those that have some. */
  readonly #hostPorts = new Map<string, readonly PortConfig[]>();
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

  /** How many more tasks can have this port here: of a range, as many as it has ports that nobody uses. */
  roomForHostPort(port: PortConfig): number {
    const rivals = [...this.#hostPorts.values()].flat().filter((used) => mayClash(used, port));
    if (!isRange(port)) return rivals.some((used) => !isRange(used)) ? 0 : 1;
    const used = new Set(rivals.filter((rival) => !isRange(rival)).map(({ publishedPort }) => publishedPort));
    const inRange = [...used].filter((number) => includesPort(port, number)).length;
    // Of tasks that have yet to choose any may choose from this range.
    return port.publishedLast - port.publishedPort + 1 - inRange - rivals.filter(isRange).length;
  }

  /** Takes note of a task as it is now. @returns true when it left resources that others may wait for */
  put(task: Task): boolean {
    const freed = this.remove(task.id);
    if (!occupiesNode(task)) return freed;
    const load = { task, hostPorts: hostPortsOn(task) };
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
    if (by > 0 && hostPorts.length > 0) this.#hostPorts.set(task.id, hostPorts);
    if (by < 0) this.#hostPorts.delete(task.id);
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
