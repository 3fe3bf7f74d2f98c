import { failedPrecondition } from '../../lib/errors.js';
import type { Cluster, Service, Task } from '../../proto/gen/index.js';
import type { Kind, ObjectTypes, ReadView } from './store.js';
import { indexKey, type Tables } from './tables.js';

/** Reads of one version of the tables. A subclass may put newer tables in their place. */
export class TablesView implements ReadView {
  readonly version: number;
  protected tables: Tables;

  constructor(version: number, tables: Tables) {
    this.version = version;
    this.tables = tables;
  }

  get<K extends Kind>(kind: K, id: string): ObjectTypes[K] | undefined {
    return this.tables.objects[kind].get(id);
  }

  list<K extends Kind>(kind: K): Iterable<ObjectTypes[K]> {
    const tree = this.tables.objects[kind];
    return repeatable(() => tree.values());
  }

  count(kind: Kind): number {
    return this.tables.objects[kind].size;
  }

  byName<K extends Kind>(kind: K, name: string): readonly ObjectTypes[K][] {
    return [...this.tables.names[kind].values(indexKey(name))];
  }

  byIdPrefix<K extends Kind>(kind: K, prefix: string, limit: number): readonly ObjectTypes[K][] {
    const found: ObjectTypes[K][] = [];
    for (const object of this.tables.objects[kind].values(prefix)) {
      if (found.length >= limit) break;
      found.push(object);
    }
    return found;
  }

  tasksOfService(serviceId: string): Iterable<Task> {
    const tree = this.tables.tasks.service;
    return repeatable(() => tree.values(indexKey(serviceId)));
  }

  tasksOfSlot(serviceId: string, slot: number): Iterable<Task> {
    const tree = this.tables.tasks.service;
    return repeatable(() => tree.values(indexKey(serviceId, slot)));
  }

  tasksOfNode(nodeId: string): Iterable<Task> {
    const tree = this.tables.tasks.node;
    return repeatable(() => tree.values(indexKey(nodeId)));
  }

  tasksOfNetwork(networkId: string): Iterable<Task> {
    const tree = this.tables.tasks.network;
    return repeatable(() => tree.values(indexKey(networkId)));
  }

  servicesOfNetwork(networkId: string): Iterable<Service> {
    const tree = this.tables.networkServices;
    return repeatable(() => tree.values(indexKey(networkId)));
  }

  cluster(): Cluster {
    for (const cluster of this.tables.objects.cluster.values()) return cluster;
    throw failedPrecondition('this node is not part of a swarm', {
      hint: 'Run "tsswarm init" to make one, or "tsswarm join" to join one.',
    });
  }
}

/** An iterable that can be gone through more than once, unlike a bare generator. */
function repeatable<T>(iterate: () => Iterator<T>): Iterable<T> {
  return { [Symbol.iterator]: iterate };
}
