import type { Service, Task } from '../../proto/gen/index.js';
import { RadixBuilder } from './radix-builder.js';
import { KINDS, type Kind, type ObjectTypes } from './store.js';
import { indexKey, namesOf, networksOfService, TASK_KEYS, type Tables } from './tables.js';

/** Makes Tables of all objects of a state, each given once. */
export class TablesBuilder {
  readonly #objects = byKind();
  readonly #names = byKind();
  readonly #service = new RadixBuilder<Task>();
  readonly #node = new RadixBuilder<Task>();
  readonly #network = new RadixBuilder<Task>();
  readonly #networkServices = new RadixBuilder<Service>();

  put<K extends Kind>(kind: K, object: ObjectTypes[K]): void {
    const { id } = object;
    this.#objects[kind].set(id, object);
    for (const name of namesOf(kind, object)) this.#names[kind].set(indexKey(name) + id, object);
    if (kind === 'task') this.#putTask(object as Task);
    if (kind !== 'service') return;
    const service = object as Service;
    for (const key of networksOfService(service)) this.#networkServices.set(indexKey(key) + id, service);
  }

  build(): Tables {
    return {
      objects: built(this.#objects) as Tables['objects'],
      names: built(this.#names) as Tables['names'],
      tasks: { service: this.#service.build(), node: this.#node.build(), network: this.#network.build() },
      networkServices: this.#networkServices.build(),
    };
  }

  #putTask(task: Task): void {
    for (const key of TASK_KEYS.service(task)) this.#service.set(indexKey(key) + task.id, task);
    for (const key of TASK_KEYS.node(task)) this.#node.set(indexKey(key) + task.id, task);
    for (const key of TASK_KEYS.network(task)) this.#network.set(indexKey(key) + task.id, task);
  }
}

type Builders = Readonly<Record<Kind, RadixBuilder<object>>>;

function byKind(): Builders {
  return Object.fromEntries(KINDS.map((kind) => [kind, new RadixBuilder<object>()])) as Builders;
}

function built(builders: Builders): unknown {
  return Object.fromEntries(KINDS.map((kind) => [kind, builders[kind].build()]));
}
