import type { Clock } from '../../lib/clock.js';
import type { Logger } from '../../lib/log.js';
import {
  type Config,
  EndpointState,
  type Network,
  type Node,
  type Secret,
  type Service,
  type Task,
} from '../../proto/gen/index.js';
import { isStopped, isWanted, lacksAddress } from '../common/tasks.js';
import { isEvent, type ReadView, type Store, type StoreEvent } from '../store/store.js';
import { type AssignmentSource, AssignmentStream, type Sequence } from './assignment-stream.js';
import { Directory } from './directory.js';
import { Drains } from './drain.js';
import { networkRecord, nodeEndpoints, serviceNetworks, serviceRecord, taskEndpoints } from './records.js';

export interface AssignerOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  /** Makes `flush` be called soon. */
  readonly wake: () => void;
}

/**
 * Turns events of the store into what each connected node has to be told. It works on the state up
 * to the last event that it has seen, so that the order in which things are told is the store's own:
 * others hear of a task that is to stop before its own node does.
 */
export class Assigner implements AssignmentSource {
  readonly directory = new Directory((networkId, kind, id) => {
    for (const stream of this.#subscribers.get(networkId) ?? []) this.#changed(stream, () => stream.changed(kind, id));
  });
  readonly #options: AssignerOptions;
  readonly #tasks = new Map<string, Task>();
  readonly #tasksOfNode = new Map<string, Set<string>>();
  readonly #nodes = new Map<string, Node>();
  readonly #drains = new Drains();
  readonly #streams = new Map<string, AssignmentStream>();
  readonly #subscribers = new Map<string, Set<AssignmentStream>>();
  readonly #touched = new Set<AssignmentStream>();
  #ingress: string | undefined;
  #cancelTimer: () => void = () => {};

  constructor(options: AssignerOptions, view: ReadView) {
    this.#options = options;
    for (const network of view.list('network')) this.#networkSeen(network);
    for (const node of view.list('node')) this.#nodeSeen(node);
    for (const service of view.list('service')) this.#serviceSeen(service);
    for (const task of view.list('task')) this.#taskSeen(task);
  }

  // ---- AssignmentSource ----------------------------------------------------------------------

  task(id: string): Task | undefined {
    const task = this.#tasks.get(id);
    const held = this.#drains.held(id);
    return task && held !== undefined ? { ...task, desiredState: held } : task;
  }

  secret(id: string): Secret | undefined {
    return this.#options.store.view().get('secret', id);
  }

  config(id: string): Config | undefined {
    return this.#options.store.view().get('config', id);
  }

  // ---- streams -------------------------------------------------------------------------------

  /** A stream for the node, in the place of the one that it may have. */
  open(nodeId: string, sequence: Sequence): AssignmentStream {
    this.close(this.#streams.get(nodeId));
    const stream: AssignmentStream = new AssignmentStream(nodeId, this, sequence, (networkId, subscribed) =>
      this.#subscribe(stream, networkId, subscribed),
    );
    this.#streams.set(nodeId, stream);
    stream.setOwnNetworks(ownNetworks(this.#nodes.get(nodeId)));
    for (const id of this.#tasksOfNode.get(nodeId) ?? []) stream.taskChanged(id, this.#tasks.get(id));
    return stream;
  }

  streamOf(nodeId: string): AssignmentStream | undefined {
    return this.#streams.get(nodeId);
  }

  /** Ends a stream; its node is not waited for any more. */
  close(stream: AssignmentStream | undefined): void {
    if (!stream || stream.ended) return;
    stream.end();
    this.#touched.delete(stream);
    if (this.#streams.get(stream.nodeId) === stream) this.#streams.delete(stream.nodeId);
    this.#release(this.#drains.gone(stream.nodeId));
  }

  closeAll(): void {
    for (const stream of [...this.#streams.values()]) this.close(stream);
    this.#cancelTimer();
  }

  /** A message of the stream has been made. */
  sent(stream: AssignmentStream, sequence: number): void {
    this.#drains.sent(stream.nodeId, sequence);
  }

  acknowledged(nodeId: string, sequence: number): void {
    this.#release(this.#drains.acknowledged(nodeId, sequence));
  }

  /** Wakes the readers of all streams that have something to say, and looks at overdue drains. */
  flush(): void {
    for (const { taskId, nodes } of this.#drains.expire(this.#options.clock.now())) {
      this.#options.log.warn(
        { task: taskId, nodes },
        'stopping a task that these nodes may still send to: they did not acknowledge in time',
      );
      this.#release([taskId]);
    }
    for (const stream of this.#touched) stream.wake();
    this.#touched.clear();
    this.#cancelTimer();
    const deadline = this.#drains.nextDeadline();
    if (deadline === undefined) return;
    const { clock, wake } = this.#options;
    this.#cancelTimer = clock.after(deadline - clock.now(), wake);
  }

  #subscribe(stream: AssignmentStream, networkId: string, subscribed: boolean): void {
    const streams = this.#subscribers.get(networkId);
    if (subscribed) {
      if (streams) streams.add(stream);
      else this.#subscribers.set(networkId, new Set([stream]));
    } else if (streams?.delete(stream) && streams.size === 0) this.#subscribers.delete(networkId);
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
      if (stream) this.#changed(stream, () => stream.changed('task', id));
    }
  }

  // ---- events --------------------------------------------------------------------------------

  observe(event: StoreEvent): void {
    const removed = event.action === 'remove';
    if (isEvent(event, 'task')) removed ? this.#taskGone(event.object) : this.#taskSeen(event.object);
    else if (isEvent(event, 'node')) removed ? this.#nodeGone(event.object) : this.#nodeSeen(event.object);
    else if (isEvent(event, 'service'))
      removed ? this.directory.setService(event.object.id, undefined, []) : this.#serviceSeen(event.object);
    else if (isEvent(event, 'network')) removed ? this.#networkGone(event.object) : this.#networkSeen(event.object);
    else if (isEvent(event, 'secret') || isEvent(event, 'config'))
      this.#fileSeen(event.kind as 'secret' | 'config', event.object.id);
  }

  #taskSeen(task: Task): void {
    // Without an address it cannot start there: its node hears of it when it has one.
    if (task.nodeId === '' || lacksAddress(task)) return;
    const wasServing = this.directory.owned(task.id).some(({ state }) => state === EndpointState.SERVING);
    const before = this.#tasks.get(task.id);
    this.#tasks.set(task.id, task);
    const onNode = this.#tasksOfNode.get(task.nodeId);
    if (onNode) onNode.add(task.id);
    else this.#tasksOfNode.set(task.nodeId, new Set([task.id]));
    this.directory.setEndpoints(task.id, taskEndpoints(task, this.#nodes.get(task.nodeId)));
    if (isStopped(task)) this.#drains.cancel(task.id);
    else if (wasServing && before && isWanted(before) && !isWanted(task)) this.#drain(task, before);
    const stream = this.#streams.get(task.nodeId);
    if (stream) this.#changed(stream, () => stream.taskChanged(task.id, task));
  }

  #drain(task: Task, before: Task): void {
    // With nobody to be told to stop there is nothing to hold back.
    if (!this.#streams.has(task.nodeId)) return;
    const nodes = new Set<string>();
    for (const { networkId } of task.networks) {
      for (const { nodeId } of this.#subscribers.get(networkId) ?? []) nodes.add(nodeId);
    }
    this.#drains.begin(task.id, before.desiredState, nodes, this.#options.clock.now());
    this.#options.wake();
  }

  #taskGone(task: Task): void {
    this.#tasks.delete(task.id);
    this.#drains.cancel(task.id);
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
    this.directory.setEndpoints(node.id, nodeEndpoints(node));
    if (before?.status.state !== node.status.state || before.dataPathAddress !== node.dataPathAddress) {
      this.#tasksOfNodeMoved(node.id);
    }
    const stream = this.#streams.get(node.id);
    if (stream) this.#changed(stream, () => stream.setOwnNetworks(ownNetworks(node)));
  }

  #nodeGone(node: Node): void {
    this.#nodes.delete(node.id);
    this.directory.setEndpoints(node.id, []);
    this.#tasksOfNodeMoved(node.id);
    this.close(this.#streams.get(node.id));
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
    for (const stream of this.#streams.values()) {
      if (stream.knows(kind, id)) this.#changed(stream, () => stream.changed(kind, id));
    }
  }
}

function ownNetworks(node: Node | undefined): readonly string[] {
  return (node?.attachments ?? []).map(({ networkId }) => networkId);
}
