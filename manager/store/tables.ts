import type { Service, Task } from '../../proto/gen/index.js';
import { RadixTree } from './radix.js';
import { KINDS, type Kind, type ObjectTypes } from './store.js';

/**
 * The tables and their indexes as one persistent value. `put` and `drop` give new Tables and leave
 * the old ones as they were; both cost a few tree paths whatever the size of the tables.
 *
 * An index is a tree from a composite key to the object: the parts, each ended by a character that
 * is in no part, then the id. So all objects of one key share a prefix.
 */
export interface Tables {
  readonly objects: { readonly [K in Kind]: RadixTree<ObjectTypes[K]> };
  readonly names: { readonly [K in Kind]: RadixTree<ObjectTypes[K]> };
  readonly tasks: Readonly<Record<TaskIndex, RadixTree<Task>>>;
  readonly networkServices: RadixTree<Service>;
}

export type TaskIndex = 'service' | 'node' | 'network';

const END = '\u0000';
export const indexKey = (...parts: readonly (string | number)[]): string => parts.join(END) + END;

export const EMPTY_TABLES: Tables = {
  objects: emptyByKind(),
  names: emptyByKind(),
  tasks: { service: RadixTree.empty(), node: RadixTree.empty(), network: RadixTree.empty() },
  networkServices: RadixTree.empty(),
};

/** Kinds of which no two objects may have the same name. */
export const UNIQUE_NAMES: ReadonlySet<Kind> = new Set(['service', 'network', 'secret', 'config', 'volume']);

/** What `byName` finds an object by; undefined for what has no name. */
export function nameOf<K extends Kind>(kind: K, object: ObjectTypes[K]): string | undefined {
  if (kind === 'task') return undefined;
  if (kind === 'node') return (object as ObjectTypes['node']).description.hostname;
  return (object as ObjectTypes[Exclude<Kind, 'task' | 'node'>]).spec.name;
}

/** Networks that a task is in, or has asked to be in. */
function networksOfTask(task: Task): string[] {
  return [...new Set([...task.networks.map((n) => n.networkId), ...task.spec.networks.map((n) => n.target)])];
}

/** Under which keys a task is found in each of its indexes. */
export const TASK_KEYS: Readonly<Record<TaskIndex, (task: Task) => readonly string[]>> = {
  service: (task) => [task.serviceId + END + task.slot],
  node: (task) => (task.nodeId ? [task.nodeId] : []),
  network: networksOfTask,
};

export function namesOf<K extends Kind>(kind: K, object: ObjectTypes[K]): readonly string[] {
  const name = nameOf(kind, object);
  return name === undefined ? [] : [name];
}

export function networksOfService(service: Service): string[] {
  return [
    ...new Set([
      ...service.spec.task.networks.map((n) => n.target),
      ...service.endpoint.virtualIps.map((vip) => vip.networkId),
    ]),
  ];
}

export function put<K extends Kind>(tables: Tables, kind: K, object: ObjectTypes[K]): Tables {
  const old = tables.objects[kind].get(object.id);
  return reindex(tables, kind, object.id, old, object);
}

export function drop<K extends Kind>(tables: Tables, kind: K, id: string): Tables {
  return reindex(tables, kind, id, tables.objects[kind].get(id), undefined);
}

function reindex<K extends Kind>(
  tables: Tables,
  kind: K,
  id: string,
  old: ObjectTypes[K] | undefined,
  now: ObjectTypes[K] | undefined,
): Tables {
  const objects = tables.objects[kind];
  const next: Mutable<Tables> = { ...tables };
  next.objects = withTree(tables.objects, kind, now ? objects.set(id, now) : objects.delete(id));
  const names = move(tables.names[kind], (object) => namesOf(kind, object), id, old, now);
  if (names !== tables.names[kind]) next.names = withTree(tables.names, kind, names);
  if (kind === 'task') {
    const { service, node, network } = tables.tasks;
    const [before, after] = [old as Task | undefined, now as Task | undefined];
    next.tasks = {
      service: move(service, TASK_KEYS.service, id, before, after),
      node: move(node, TASK_KEYS.node, id, before, after),
      network: move(network, TASK_KEYS.network, id, before, after),
    };
  }
  if (kind === 'service') {
    const [before, after] = [old as Service | undefined, now as Service | undefined];
    next.networkServices = move(tables.networkServices, networksOfService, id, before, after);
  }
  return next;
}

type Mutable<T> = { -readonly [F in keyof T]: T[F] };

/** A copy that is then written to: a spread with a computed key costs several times as much. */
function withTree<K extends Kind>(
  trees: Tables['objects'],
  kind: K,
  tree: RadixTree<ObjectTypes[K]>,
): Tables['objects'] {
  const copy: Mutable<Record<Kind, RadixTree<never>>> = { ...(trees as Record<Kind, RadixTree<never>>) };
  copy[kind] = tree as RadixTree<never>;
  return copy as Tables['objects'];
}

/** Takes an object out of the index under its old keys and puts it in under the new ones. */
function move<V extends object>(
  tree: RadixTree<V>,
  keysOf: (object: V) => readonly string[],
  id: string,
  old: V | undefined,
  now: V | undefined,
): RadixTree<V> {
  const keys = now ? keysOf(now) : [];
  let next = tree;
  if (old) for (const key of keysOf(old)) if (!keys.includes(key)) next = next.delete(indexKey(key) + id);
  if (now) for (const key of keys) next = next.set(indexKey(key) + id, now);
  return next;
}

function emptyByKind(): { readonly [K in Kind]: RadixTree<ObjectTypes[K]> } {
  return Object.fromEntries(KINDS.map((kind) => [kind, RadixTree.empty()])) as unknown as {
    readonly [K in Kind]: RadixTree<ObjectTypes[K]>;
  };
}
