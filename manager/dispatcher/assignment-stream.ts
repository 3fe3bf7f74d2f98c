import { isDeepStrictEqual } from 'node:util';
import { deferred } from '../../lib/async.js';
import { isEncrypted } from '../../lib/encrypted-option.js';
import {
  Assignment,
  type AssignmentChange,
  AssignmentChangeAction,
  type AssignmentsMessage,
  AssignmentsMessageType,
  type Config,
  type NetworkKeyRing,
  type Secret,
  type Task,
  TaskState,
} from '../../proto/gen/index.js';
import { occupiesNode } from '../common/tasks.js';
import { type Directory, type Reason, sandboxesOf, type Topic } from './directory.js';
import { Item } from './item.js';

/** Where a stream looks up what it is to say, at the moment at which it says it. */
export interface AssignmentSource {
  readonly directory: Directory;
  /** A task as its own node is to see it. */
  task(id: string): Task | undefined;
  secret(id: string): Secret | undefined;
  config(id: string): Config | undefined;
  /** Keys of encrypted networks. */
  networkKeys(): NetworkKeyRing;
}

/** Counts the messages of a session, through all its streams. */
export interface Sequence {
  value: number;
}

const NETWORK = 'network:';
const KEYS = new Item('keys', '');
/** More than this at once nobody follows: a message stays small, whatever many tasks come from. */
const MAX_CHANGE_IDS = 32;

/**
 * What one connected node has to know: its tasks with their secrets and configs, and all of the
 * networks in which it has an endpoint. It is noted only what has changed; a message is made of the
 * newest state of each, so what changes twice before it is sent is sent once.
 */
export class AssignmentStream {
  readonly nodeId: string;
  readonly #source: AssignmentSource;
  readonly #sequence: Sequence;
  readonly #onSubscription: (topic: Topic, subscribed: boolean) => void;
  /** Why it knows of a network, secret or config: ids of tasks, or the node's own; of sandboxes: the network's. */
  readonly #reasons = new Map<string, Set<string>>();
  /** What gives reasons, so that they can be taken back. */
  readonly #given = new Map<string, readonly Reason[]>();
  readonly #sentTasks = new Map<string, Task>();
  /** By key. */
  readonly #changed = new Map<string, Item>();
  /** Of operators' calls that the changes come from. */
  readonly #changeIds = new Set<string>();
  /** Clock of the key ring that the node has; 0: none. */
  #sentKeys = 0;
  #signal = deferred<void>();
  #ended = false;

  constructor(
    nodeId: string,
    source: AssignmentSource,
    sequence: Sequence,
    onSubscription: (topic: Topic, subscribed: boolean) => void,
  ) {
    this.nodeId = nodeId;
    this.#source = source;
    this.#sequence = sequence;
    this.#onSubscription = onSubscription;
  }

  get size(): number {
    return this.#changed.size;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Takes note of a task of this node as it is now, or of its removal. */
  taskChanged(id: string, task: Task | undefined): void {
    const active = task !== undefined && occupiesNode(task);
    const { networks = [], spec } = task ?? {};
    this.#giveReasons(
      id,
      active
        ? [
            ...networks.map(({ networkId }): Reason => `network:${networkId}`),
            ...(spec?.container.secrets ?? []).map((file): Reason => `secret:${file.id}`),
            ...(spec?.container.configs ?? []).map((file): Reason => `config:${file.id}`),
          ]
        : [],
    );
    if (active) for (const { networkId } of networks) this.#house(networkId);
    this.changed(new Item('task', id));
  }

  /** To the end: a task that is replaced would else have all sandboxes taken away and told again. */
  #house(networkId: string): void {
    const isIngress = this.#source.directory.network(networkId)?.record.ingress;
    if (isIngress && this.knows('network', networkId)) this.#giveReasons(networkId, [`sandboxes:${networkId}`]);
  }

  /** The networks in which the node itself has an endpoint. */
  setOwnNetworks(networkIds: readonly string[]): void {
    this.#giveReasons(
      this.nodeId,
      networkIds.map((id): Reason => `network:${id}`),
    );
  }

  /** @param changeId of the operator's call that it comes from; empty: of none */
  changed(item: Item, changeId = ''): void {
    this.#changed.set(item.key, item);
    this.#causedBy(changeId);
    if (item.kind === 'network') this.keysChanged();
  }

  /** The keys of encrypted networks, or whether the node needs them, may be others now. */
  keysChanged(): void {
    this.#changed.set(KEYS.key, KEYS);
  }

  knows(kind: 'network' | 'sandboxes' | 'secret' | 'config', id: string): boolean {
    return this.#reasons.has(`${kind}:${id}`);
  }

  /** Lets the reader look whether there is something to send. */
  wake(): void {
    this.#signal.resolve();
  }

  /** No more is sent. */
  end(): void {
    this.#ended = true;
    for (const owner of [...this.#given.keys()]) this.#giveReasons(owner, []);
    this.#changed.clear();
    this.wake();
  }

  /** Resolves to true when something has changed, to false at the end. */
  async ready(): Promise<boolean> {
    while (!this.#ended && this.#changed.size === 0) {
      await this.#signal.promise;
      this.#signal = deferred();
    }
    return !this.#ended;
  }

  /** The first message: all there is. Of the calls that it comes from, the latest that the node's tasks come from are named. */
  complete(): AssignmentsMessage {
    const { changes } = this.#take();
    const changeIds = latestChangeIds(this.#sentTasks.values());
    this.#sequence.value++;
    return {
      type: AssignmentsMessageType.COMPLETE,
      appliesTo: 0,
      resultsIn: this.#sequence.value,
      changes: changes.filter((change) => change.action === AssignmentChangeAction.UPDATE),
      changeIds,
    };
  }

  /** What has changed since the last message; undefined when all of it was for nothing. */
  next(): AssignmentsMessage | undefined {
    const { changes, changeIds } = this.#take();
    if (changes.length === 0) return undefined;
    const appliesTo = this.#sequence.value;
    this.#sequence.value++;
    return { type: AssignmentsMessageType.INCREMENTAL, appliesTo, resultsIn: this.#sequence.value, changes, changeIds };
  }

  #causedBy(changeId: string): void {
    if (changeId !== '' && this.#changeIds.size < MAX_CHANGE_IDS) this.#changeIds.add(changeId);
  }

  #take(): { readonly changes: AssignmentChange[]; readonly changeIds: string[] } {
    const changes: AssignmentChange[] = [];
    for (const item of this.#changed.values()) {
      const change = this.#change(item);
      if (change) changes.push(change);
    }
    this.#changed.clear();
    const changeIds = [...this.#changeIds];
    this.#changeIds.clear();
    return { changes, changeIds };
  }

  #change(item: Item): AssignmentChange | undefined {
    const { kind, id } = item;
    const { directory } = this.#source;
    switch (kind) {
      case 'task':
        return this.#taskChange(item);
      case 'keys':
        return this.#keysChange();
      case 'network': {
        const network = directory.network(id);
        return network && this.#reasons.has(item.key) ? network.change : item.removal;
      }
      case 'endpoint': {
        const endpoint = directory.endpoint(id);
        return endpoint && this.#reasons.has(endpoint.reason) ? endpoint.change : item.removal;
      }
      case 'service': {
        const service = directory.service(id);
        return service?.reasons.some((reason) => this.#reasons.has(reason)) ? service.change : item.removal;
      }
      case 'secret': {
        const secret = this.#reasons.has(item.key) ? this.#source.secret(id) : undefined;
        return secret ? updateOf({ secret }) : item.removal;
      }
      case 'config': {
        const config = this.#reasons.has(item.key) ? this.#source.config(id) : undefined;
        return config ? updateOf({ config }) : item.removal;
      }
    }
  }

  #taskChange({ id, removal }: Item): AssignmentChange | undefined {
    const task = this.#source.task(id);
    const sent = this.#sentTasks.get(id);
    if (!task || task.nodeId !== this.nodeId || task.status.state < TaskState.ASSIGNED) {
      this.#sentTasks.delete(id);
      return sent && removal;
    }
    // What the node has reported itself is no news to it.
    if (sent && isDeepStrictEqual({ ...sent, meta: task.meta, status: task.status }, task)) return undefined;
    this.#sentTasks.set(id, task);
    this.#causedBy(task.meta.changeId);
    return updateOf({ task });
  }

  /** Only who has an endpoint in an encrypted network gets them. */
  #keysChange(): AssignmentChange | undefined {
    const networks = [...this.#reasons.keys()].flatMap((key) =>
      key.startsWith(NETWORK) ? (this.#source.directory.network(key.slice(NETWORK.length)) ?? []) : [],
    );
    const isNeeded = networks.some(({ record }) => isEncrypted(record.driverOptions));
    const clock = isNeeded ? this.#source.networkKeys().clock : 0;
    if (clock === this.#sentKeys) return undefined;
    this.#sentKeys = clock;
    return clock === 0 ? KEYS.removal : updateOf({ networkKeys: this.#source.networkKeys() });
  }

  /** Replaces the reasons that an owner gives. What gets its first or loses its last one has changed. */
  #giveReasons(owner: string, keys: readonly Reason[]): void {
    const before = this.#given.get(owner) ?? [];
    if (keys.length > 0) this.#given.set(owner, keys);
    else this.#given.delete(owner);
    for (const key of keys) {
      const owners = this.#reasons.get(key);
      if (owners) owners.add(owner);
      else {
        this.#reasons.set(key, new Set([owner]));
        this.#flip(key, true);
      }
    }
    for (const key of before) {
      if (keys.includes(key)) continue;
      const owners = this.#reasons.get(key);
      owners?.delete(owner);
      if (owners?.size !== 0) continue;
      this.#reasons.delete(key);
      this.#flip(key, false);
    }
  }

  #flip(reason: Reason, known: boolean): void {
    const at = reason.indexOf(':');
    const [kind, id] = [reason.slice(0, at) as 'network' | 'sandboxes' | 'secret' | 'config', reason.slice(at + 1)];
    if (kind === 'sandboxes') {
      this.#tellOf(sandboxesOf(id), known);
      return;
    }
    this.changed(new Item(kind, id));
    if (kind !== 'network') return;
    this.#tellOf(id, known);
    if (!known) this.#giveReasons(id, []);
  }

  #tellOf(topic: Topic, known: boolean): void {
    for (const item of this.#source.directory.itemsOf(topic)) this.changed(item);
    this.#onSubscription(topic, known);
  }
}

/** Of operators' calls that the tasks come from: those first whose tasks have been written last. */
function latestChangeIds(tasks: Iterable<Task>): string[] {
  const written = new Map<string, number>();
  for (const { meta } of tasks) {
    const { changeId, version } = meta;
    if (changeId !== '') written.set(changeId, Math.max(version, written.get(changeId) ?? 0));
  }
  const latest = [...written].sort(([, a], [, b]) => b - a);
  return latest.slice(0, MAX_CHANGE_IDS).map(([id]) => id);
}

function updateOf(item: Partial<Assignment>): AssignmentChange {
  return { action: AssignmentChangeAction.UPDATE, assignment: Assignment.create(item) };
}
