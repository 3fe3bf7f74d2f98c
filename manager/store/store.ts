import type { EventLog } from '../../lib/events/ring.js';
import type { Cluster, Config, Network, Node, Secret, Service, Task, Volume } from '../../proto/gen/index.js';

/**
 * The store's contract. State is in memory, in tables with indexes; objects are frozen in spirit:
 * a change is a new object put in the place of the old one, never a mutation.
 *
 * All writes go through `update`: the callback works on a draft of the newest state, its changes
 * are proposed as one log entry, and they are applied, all or none, when the entry is committed.
 * There is one writer at a time; callbacks therefore never conflict with each other, and a value
 * that a caller read earlier is guarded by its `meta.version`.
 */
export interface ObjectTypes {
  readonly cluster: Cluster;
  readonly node: Node;
  readonly service: Service;
  readonly task: Task;
  readonly network: Network;
  readonly secret: Secret;
  readonly config: Config;
  readonly volume: Volume;
}

export type Kind = keyof ObjectTypes;
export const KINDS: readonly Kind[] = ['cluster', 'node', 'service', 'task', 'network', 'secret', 'config', 'volume'];

/** A consistent state. Valid for as long as it is held: later writes do not show in it. */
export interface ReadView {
  /** Log index of the last applied change. */
  readonly version: number;
  get<K extends Kind>(kind: K, id: string): ObjectTypes[K] | undefined;
  /** All objects of a kind, in no particular order. */
  list<K extends Kind>(kind: K): Iterable<ObjectTypes[K]>;
  count(kind: Kind): number;
  /** By spec.name; hostnames for nodes. Several nodes can share a hostname; other names are unique. */
  byName<K extends Kind>(kind: K, name: string): readonly ObjectTypes[K][];
  /** Objects whose id begins with `prefix`, at most `limit`. */
  byIdPrefix<K extends Kind>(kind: K, prefix: string, limit: number): readonly ObjectTypes[K][];
  tasksOfService(serviceId: string): Iterable<Task>;
  /** Tasks of one slot of a replicated service, newest and old. */
  tasksOfSlot(serviceId: string, slot: number): Iterable<Task>;
  tasksOfNode(nodeId: string): Iterable<Task>;
  tasksOfNetwork(networkId: string): Iterable<Task>;
  servicesOfNetwork(networkId: string): Iterable<Service>;
  /** The one cluster object. @throws FAILED_PRECONDITION before `init` */
  cluster(): Cluster;
}

/** A draft: reads see the draft's own writes. */
export interface WriteView extends ReadView {
  /**
   * Sets meta (version, created_at, updated_at, and change_id where the transaction has one: else it is the object's).
   * @throws ALREADY_EXISTS when the id or, for kinds with unique names, the name is taken
   */
  create<K extends Kind>(kind: K, object: ObjectTypes[K]): ObjectTypes[K];
  /**
   * Replaces the object of this id. An object equal to the stored one changes nothing.
   * @throws NOT_FOUND
   * @throws ABORTED when object.meta.version is not the stored version
   */
  update<K extends Kind>(kind: K, object: ObjectTypes[K]): ObjectTypes[K];
  /** @throws NOT_FOUND */
  remove(kind: Kind, id: string): void;
}

export interface StoreEvent<K extends Kind = Kind> {
  readonly action: 'create' | 'update' | 'remove';
  readonly kind: K;
  /** The new object; of a removal, the last one, with the change_id of the call that removed it. */
  readonly object: ObjectTypes[K];
  /** Of an update, what was there before. */
  readonly old?: ObjectTypes[K];
}

/** Narrowed by kind: `if (isEvent(event, 'task')) event.object.slot`. */
export function isEvent<K extends Kind>(event: StoreEvent, kind: K): event is StoreEvent<K> {
  return event.kind === kind;
}

/** All events of one transaction, in the order in which it made them. */
export interface Commit {
  readonly version: number;
  readonly events: readonly StoreEvent[];
}

export interface Watch {
  /** The state that `commits` goes on from, without a gap. */
  readonly snapshot: ReadView;
  /** Commits with at least one matching event, holding the matching events only. Ends with the signal. */
  readonly commits: AsyncIterable<Commit>;
}

export interface Store {
  /** The newest applied state. */
  view(): ReadView;
  /** What has happened lately, as told to people: part of the state, derived from the log alone. */
  readonly events: EventLog;
  /**
   * Runs `change` on a draft and commits what it wrote. When it throws, nothing happens; when it
   * writes nothing, nothing is proposed. Resolves after the change is durable and applied. What it
   * answers, and what it throws, is of a state no older than the call.
   * @throws what `change` throws
   * @throws UNAVAILABLE when this manager cannot commit (lost leadership, no quorum, stopping): nothing was done
   * @throws UNKNOWN when it lost its leadership before it knew whether it was committed
   * @param changeId of the operator's call that asks for it: goes into `meta` of what is written
   * @throws RESOURCE_EXHAUSTED for more than MAX_CHANGES objects or MAX_BYTES in one transaction
   */
  update<T>(change: (draft: WriteView) => T, changeId?: string): Promise<T>;
  /**
   * Many small changes in few transactions: each item's `change` is atomic by itself. An item that
   * throws a SwarmError is left out and reported; the others go on.
   */
  batch<I>(
    items: Iterable<I>,
    change: (draft: WriteView, item: I) => void,
    changeId?: string,
  ): Promise<{ readonly failed: ReadonlyMap<I, unknown> }>;
  /** A snapshot and every change after it. @param kinds all when left out */
  watch(signal: AbortSignal, kinds?: readonly Kind[]): Watch;
}

export const MAX_CHANGES = 200;
export const MAX_BYTES = 1.5 * 2 ** 20;
