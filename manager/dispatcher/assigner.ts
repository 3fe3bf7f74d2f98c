import type { Clock } from '../../lib/clock.js';
import type { Logger } from '../../lib/log.js';
import {
  type Cluster,
  type Config,
  EndpointState,
  HealthState,
  type Network,
  NetworkKeyRing,
  type Node,
  type Secret,
  type Service,
  type Task,
  TaskState,
} from '../../proto/gen/index.js';
import { isLost, isStopped, isWanted, lacksAddress, occupiesNode } from '../common/tasks.js';
import { isEvent, type ReadView, type Store, type StoreEvent } from '../store/store.js';
import { type AssignmentSource, AssignmentStream, type Sequence } from './assignment-stream.js';
import { Directory, type Topic } from './directory.js';
import { DRAIN_TIMEOUT, Drains, type DrainTimeouts, type Overdue, UNHEALTHY_DRAIN_TIMEOUT } from './drain.js';
import { Item } from './item.js';
import { NetworkMembers } from './network-members.js';
import { networkRecord, nodeEndpoints, serviceNetworks, serviceRecord, taskEndpoints } from './records.js';

export interface AssignerOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  /** Makes `flush` be called soon. */
  readonly wake: () => void;
  readonly drainTimeouts?: DrainTimeouts | undefined;
}

/**
 * Turns events of the store into what each connected node has to be told. It works on the state up
 * to the last event that it has seen, so that the order in which things are told is the store's own:
 * others hear of a task that is to stop before its own node does.
 */
export class Assigner implements AssignmentSource {
  readonly directory = new Directory((topic, item) => {
    for (const stream of this.#subscribers.get(topic) ?? [])
      this.#changed(stream, () => stream.changed(item, this.#changeId));
  });
  readonly #options: AssignerOptions;
  readonly #tasks = new Map<string, Task>();
  readonly #tasksOfNode = new Map<string, Set<string>>();
  readonly #nodes = new Map<string, Node>();
  /** Of tasks that are to stop. */
  readonly #drains: Drains;
  /** Of tasks that have become unhealthy: their nodes stop them when nobody sends to them any more. */
  readonly #ailing: Drains;
  readonly #members = new NetworkMembers();
  readonly #streams = new Map<string, AssignmentStream>();
  readonly #subscribers = new Map<Topic, Set<AssignmentStream>>();
  readonly #touched = new Set<AssignmentStream>();
  #networkKeys = NetworkKeyRing.create();
  /** Of the operator's call that the event comes from that is being looked at. */
  #changeId = '';
  #ingress: string | undefined;
  #cancelTimer: () => void = () => {};

  constructor(options: AssignerOptions, view: ReadView) {
    this.#options = options;
    const { stopping = DRAIN_TIMEOUT, unhealthy = UNHEALTHY_DRAIN_TIMEOUT } = options.drainTimeouts ?? {};
    this.#drains = new Drains(stopping);
    this.#ailing = new Drains(unhealthy);
    for (const cluster of view.list('cluster')) this.#clusterSeen(cluster);
    for (const network of view.list('network')) this.#networkSeen(network);
    for (const node of view.list('node')) this.#nodeSeen(node);
    for (const service of view.list('service')) this.#serviceSeen(service);
    // Who may send to a task is known before one is drained.
    for (const task of view.list('task')) this.#housed(task);
    for (const task of view.list('task')) this.#taskSeen(task);
  }

  // ---- AssignmentSource ----------------------------------------------------------------------

  task(id: string): Task | undefined {
    const task = this.#tasks.get(id);
    if (!task) return undefined;
    const desiredState = this.#drains.held(id) ?? this.#ailing.held(id) ?? task.desiredState;
    const withdrawn = isAiling(task) && !this.#ailing.holds(id);
    return desiredState === task.desiredState && !withdrawn ? task : { ...task, desiredState, withdrawn };
  }

  secret(id: string): Secret | undefined {
    return this.#options.store.view().get('secret', id);
  }

  config(id: string): Config | undefined {
    return this.#options.store.view().get('config', id);
  }

  networkKeys(): NetworkKeyRing {
    return this.#networkKeys;
  }

  // ---- streams -------------------------------------------------------------------------------

  /** A stream for the node, in the place of the one that it may have. */
  open(nodeId: string, sequence: Sequence): AssignmentStream {
    this.close(this.#streams.get(nodeId));
    const stream: AssignmentStream = new AssignmentStream(nodeId, this, sequence, (topic, subscribed) =>
      this.#subscribe(stream, topic, subscribed),
    );
    this.#streams.set(nodeId, stream);
    this.#drainAtHome(nodeId);
    stream.setOwnNetworks(ownNetworks(this.#nodes.get(nodeId)));
    for (const id of this.#tasksOfNode.get(nodeId) ?? []) stream.taskChanged(id, this.#tasks.get(id));
    return stream;
  }

  /** How many nodes are told of changes. */
  get streams(): number {
    return this.#streams.size;
  }

  streamOf(nodeId: string): AssignmentStream | undefined {
    return this.#streams.get(nodeId);
  }

  /** Ends a stream. What its node has acknowledged stands; for the rest it is waited for until it is back, or down. */
  close(stream: AssignmentStream | undefined): void {
    if (!stream || stream.ended) return;
    stream.end();
    this.#touched.delete(stream);
    if (this.#streams.get(stream.nodeId) === stream) this.#streams.delete(stream.nodeId);
    for (const drains of this.#allDrains) drains.disconnected(stream.nodeId);
  }

  closeAll(): void {
    for (const stream of [...this.#streams.values()]) this.close(stream);
    this.#cancelTimer();
  }

  /** A message of the stream has been made. */
  sent(stream: AssignmentStream, sequence: number): void {
    for (const drains of this.#allDrains) drains.sent(stream.nodeId, sequence);
  }

  acknowledged(nodeId: string, sequence: number): void {
    for (const drains of this.#allDrains) this.#release(drains.acknowledged(nodeId, sequence));
  }

  /**
   * Wakes the readers of all streams that have something to say, and lets go the tasks that were held long enough.
   * @returns those tasks, with the nodes that have not confirmed
   */
  flush(): readonly Overdue[] {
    const { clock, wake } = this.#options;
    const overdue = this.#allDrains.flatMap((drains) => drains.expire(clock.monotonic()));
    for (const { taskId, nodes } of overdue) this.#wentOn(taskId, nodes);
    for (const stream of this.#touched) stream.wake();
    this.#touched.clear();
    this.#cancelTimer();
    const deadlines = this.#allDrains.flatMap((drains) => drains.nextDeadline() ?? []);
    if (deadlines.length > 0) this.#cancelTimer = clock.after(Math.min(...deadlines) - clock.monotonic(), wake);
    return overdue;
  }

  get #allDrains(): readonly Drains[] {
    return [this.#drains, this.#ailing];
  }

  #wentOn(taskId: string, nodes: readonly string[]): void {
    const names = nodes.map((id) => this.#nodes.get(id)?.description.hostname || id).join(', ');
    this.#options.log.warn(
      { task: taskId, nodes },
      `stopping a task without ${names}: not confirmed in time that nothing more is sent to it from there`,
    );
    this.#release([taskId]);
  }

  #subscribe(stream: AssignmentStream, topic: Topic, subscribed: boolean): void {
    const streams = this.#subscribers.get(topic);
    if (subscribed) {
      if (streams) streams.add(stream);
      else this.#subscribers.set(topic, new Set([stream]));
    } else if (streams?.delete(stream) && streams.size === 0) this.#subscribers.delete(topic);
  }

  #changed(stream: AssignmentStream, note: () => void): void {
    note();
    if (this.#touched.size === 0) this.#options.wake();
    this.#touched.add(stream);
  }

  /** Tasks that are held no more: their own nodes may hear what is wanted of them. */
  #release(taskIds: readonly string[]): void {
    for (const id of taskIds) {
      const stream = this.#streams.get(this.#tasks.get(id)?.nodeId ?? '');
      if (stream) this.#changed(stream, () => stream.changed(new Item('task', id)));
    }
  }

  // ---- events --------------------------------------------------------------------------------

  observe(event: StoreEvent): void {
    const removed = event.action === 'remove';
    this.#changeId = changeIdOf(event);
    if (isEvent(event, 'task')) removed ? this.#taskGone(event.object) : this.#taskSeen(event.object);
    else if (isEvent(event, 'node')) removed ? this.#nodeGone(event.object) : this.#nodeSeen(event.object);
    else if (isEvent(event, 'service'))
      removed ? this.directory.setService(event.object.id, undefined, []) : this.#serviceSeen(event.object);
    else if (isEvent(event, 'network')) removed ? this.#networkGone(event.object) : this.#networkSeen(event.object);
    else if (isEvent(event, 'cluster')) this.#clusterSeen(event.object);
    else if (isEvent(event, 'secret') || isEvent(event, 'config'))
      this.#fileSeen(event.kind as 'secret' | 'config', event.object.id);
    this.#changeId = '';
  }

  #taskSeen(task: Task): void {
    // Without an address it cannot start there: its node hears of it when it has one.
    if (task.nodeId === '' || lacksAddress(task)) return;
    const before = this.#tasks.get(task.id);
    const wasServed = this.#isServed(task, before);
    this.#tasks.set(task.id, task);
    const onNode = this.#tasksOfNode.get(task.nodeId);
    if (onNode) onNode.add(task.id);
    else this.#tasksOfNode.set(task.nodeId, new Set([task.id]));
    this.#housed(task);
    this.directory.setEndpoints(task.id, taskEndpoints(task, this.#nodes.get(task.nodeId)));
    if (isStopped(task)) for (const drains of this.#allDrains) drains.cancel(task.id);
    else if (wasServed) {
      if (!isWanted(task)) this.#drain(this.#drains, task, before?.desiredState ?? TaskState.RUNNING);
      else if (isAiling(task)) this.#drain(this.#ailing, task, task.desiredState);
    }
    const stream = this.#streams.get(task.nodeId);
    if (stream) this.#changed(stream, () => stream.taskChanged(task.id, task));
  }

  /** Takes note that the task's node has something in the task's networks. */
  #housed(task: Task): void {
    if (task.nodeId === '' || lacksAddress(task)) return;
    this.#members.set(task.id, task.nodeId, occupiesNode(task) ? networksOf(task) : []);
  }

  /**
   * Whether nodes may be sending to the task, as far as this manager has told them. One that has just begun to lead
   * does not know what they were told before: to all that runs.
   */
  #isServed(task: Task, before: Task | undefined): boolean {
    if (before === undefined) return task.status.state === TaskState.RUNNING;
    return this.directory.owned(task.id).some(({ state }) => state === EndpointState.SERVING);
  }

  /**
   * Tasks that were to stop while their node was down: nobody has told it, and its own kernel sends to them. What it
   * may know already, it acknowledges again.
   */
  #drainAtHome(nodeId: string): void {
    for (const id of this.#tasksOfNode.get(nodeId) ?? []) {
      const task = this.#tasks.get(id);
      if (!task || isWanted(task) || task.status.state !== TaskState.RUNNING || task.networks.length === 0) continue;
      this.#drains.begin(id, TaskState.RUNNING, [nodeId], this.#options.clock.monotonic());
    }
  }

  #drain(drains: Drains, task: Task, desiredState: TaskState): void {
    const nodes = new Set<string>();
    // None when the task's own node is down: nobody is told of endpoints there.
    for (const { networkId } of this.directory.owned(task.id)) {
      for (const { nodeId } of this.#subscribers.get(networkId) ?? []) nodes.add(nodeId);
      for (const nodeId of this.#members.nodesOf(networkId)) {
        // A connected node is told what it subscribes to, and has nothing to acknowledge of the rest.
        if (!this.#streams.has(nodeId) && !isLost(this.#nodes.get(nodeId))) nodes.add(nodeId);
      }
    }
    drains.begin(task.id, desiredState, nodes, this.#options.clock.monotonic());
    this.#options.wake();
  }

  #taskGone(task: Task): void {
    this.#tasks.delete(task.id);
    this.#members.set(task.id, task.nodeId, []);
    for (const drains of this.#allDrains) drains.cancel(task.id);
    const onNode = this.#tasksOfNode.get(task.nodeId);
    onNode?.delete(task.id);
    if (onNode?.size === 0) this.#tasksOfNode.delete(task.nodeId);
    this.directory.setEndpoints(task.id, []);
    const stream = this.#streams.get(task.nodeId);
    if (stream) this.#changed(stream, () => stream.taskChanged(task.id, undefined));
  }

  #nodeSeen(node: Node): void {
    const before = this.#nodes.get(node.id);
    this.#nodes.set(node.id, node);
    this.#members.set(node.id, node.id, ownNetworks(node));
    this.directory.setEndpoints(node.id, nodeEndpoints(node));
    if (isLost(node)) this.#notWaitedFor(node.id);
    if (before?.status.state !== node.status.state || before.dataPathAddress !== node.dataPathAddress) {
      this.#tasksOfNodeMoved(node.id);
    }
    const stream = this.#streams.get(node.id);
    if (stream) this.#changed(stream, () => stream.setOwnNetworks(ownNetworks(node)));
  }

  #nodeGone(node: Node): void {
    this.#nodes.delete(node.id);
    this.#members.set(node.id, node.id, []);
    this.#notWaitedFor(node.id);
    this.directory.setEndpoints(node.id, []);
    this.#tasksOfNodeMoved(node.id);
    this.close(this.#streams.get(node.id));
  }

  #notWaitedFor(nodeId: string): void {
    for (const drains of this.#allDrains) this.#release(drains.gone(nodeId));
  }

  #tasksOfNodeMoved(nodeId: string): void {
    for (const id of this.#tasksOfNode.get(nodeId) ?? []) {
      const task = this.#tasks.get(id);
      if (task) this.directory.setEndpoints(id, taskEndpoints(task, this.#nodes.get(nodeId)));
    }
  }

  #serviceSeen(service: Service): void {
    this.directory.setService(service.id, serviceRecord(service), serviceNetworks(service, this.#ingress));
  }

  #clusterSeen({ networkKeys }: Cluster): void {
    if (networkKeys.clock === this.#networkKeys.clock) return;
    this.#networkKeys = networkKeys;
    for (const stream of this.#streams.values()) this.#changed(stream, () => stream.keysChanged());
  }

  #networkSeen(network: Network): void {
    if (!network.allocated) return;
    this.directory.setNetwork(network.id, networkRecord(network));
    if (!network.spec.ingress || this.#ingress === network.id) return;
    this.#ingress = network.id;
    for (const service of this.#options.store.view().list('service')) this.#serviceSeen(service);
  }

  #networkGone(network: Network): void {
    this.directory.setNetwork(network.id, undefined);
    if (this.#ingress === network.id) this.#ingress = undefined;
  }

  #fileSeen(kind: 'secret' | 'config', id: string): void {
    const item = new Item(kind, id);
    for (const stream of this.#streams.values()) {
      if (stream.knows(kind, id)) this.#changed(stream, () => stream.changed(item));
    }
  }
}

/**
 * What becomes of a task or service later comes from the call that made it so. A node tells things of its own: only
 * what a call has changed of it comes from that.
 */
function changeIdOf({ kind, object, old }: StoreEvent): string {
  const { changeId } = object.meta;
  return kind === 'node' && changeId === old?.meta.changeId ? '' : changeId;
}

/** It was up, and its check says that it is so no more. */
function isAiling({ status }: Task): boolean {
  return status.state === TaskState.RUNNING && status.health === HealthState.UNHEALTHY;
}

const networksOf = ({ networks }: Task): readonly string[] => networks.map(({ networkId }) => networkId);

function ownNetworks(node: Node | undefined): readonly string[] {
  return (node?.attachments ?? []).map(({ networkId }) => networkId);
}
