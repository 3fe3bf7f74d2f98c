import { isDeepStrictEqual } from 'node:util';
import { deferred } from '../../lib/async.js';
import { isEncrypted } from '../../lib/encrypted-option.js';
import {
  Assignment,
  type AssignmentChange,
  AssignmentChangeAction,
  type AssignmentsMessage,
  AssignmentsMessageType,
  Config,
  EndpointRecord,
  NetworkKeyRing,
  NetworkRecord,
  Secret,
  ServiceRecord,
  Task,
  TaskState,
} from '../../proto/gen/index.js';
import { occupiesNode } from '../common/tasks.js';
import { type Directory, type ItemKind, networkOf, sandboxesOf, type Topic } from './directory.js';

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

type Key = `${ItemKind | 'sandboxes'}:${string}`;
const NETWORK = 'network:';
/** More than this at once nobody follows: a message stays small, whatever many tasks come from. */
const MAX_CHANGE_IDS = 32;

/**
 * What one connected node has to know: its tasks with their secrets and configs, and all of the
 * networks in which it has an endpoint. Changes are noted by key only; a message is made of the
 * newest state of each, so what changes twice before it is sent is sent once.
 */
export class AssignmentStream {
  readonly nodeId: string;
  readonly #source: AssignmentSource;
  readonly #sequence: Sequence;
  readonly #onSubscription: (topic: Topic, subscribed: boolean) => void;
  /** Why it knows of a network, secret or config: ids of tasks, or the node's own; of sandboxes: the network's. */
  readonly #reasons = new Map<Key, Set<string>>();
  /** What gives reasons, so that they can be taken back. */
  readonly #given = new Map<string, readonly Key[]>();
  readonly #sentTasks = new Map<string, Task>();
  readonly #changed = new Set<Key>();
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
            ...networks.map(({ networkId }): Key => `network:${networkId}`),
            ...(spec?.container.secrets ?? []).map((file): Key => `secret:${file.id}`),
            ...(spec?.container.configs ?? []).map((file): Key => `config:${file.id}`),
          ]
        : [],
    );
    if (active) for (const { networkId } of networks) this.#house(networkId);
    this.changed('task', id);
  }

  /** To the end: a task that is replaced would else have all sandboxes taken away and told again. */
  #house(networkId: string): void {
    const isIngress = this.#source.directory.network(networkId)?.ingress;
    if (isIngress && this.knows('network', networkId)) this.#giveReasons(networkId, [`sandboxes:${networkId}`]);
  }

  /** The networks in which the node itself has an endpoint. */
  setOwnNetworks(networkIds: readonly string[]): void {
    this.#giveReasons(
      this.nodeId,
      networkIds.map((id): Key => `network:${id}`),
    );
  }

  /** @param changeId of the operator's call that it comes from; empty: of none */
  changed(kind: ItemKind, id: string, changeId = ''): void {
    this.#changed.add(`${kind}:${id}`);
    this.#causedBy(changeId);
    if (kind === 'network') this.keysChanged();
  }

  /** The keys of encrypted networks, or whether the node needs them, may be others now. */
  keysChanged(): void {
    this.#changed.add('keys:');
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

  /** The first message: all there is, which comes from every call there ever was. */
  complete(): AssignmentsMessage {
    const { changes } = this.#take();
    this.#sequence.value++;
    return {
      type: AssignmentsMessageType.COMPLETE,
      appliesTo: 0,
      resultsIn: this.#sequence.value,
      changes: changes.filter((change) => change.action === AssignmentChangeAction.UPDATE),
      changeIds: [],
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
    for (const key of this.#changed) {
      const at = key.indexOf(':');
      const change = this.#change(key.slice(0, at) as ItemKind, key.slice(at + 1));
      if (change) changes.push(change);
    }
    this.#changed.clear();
    const changeIds = [...this.#changeIds];
    this.#changeIds.clear();
    return { changes, changeIds };
  }

  #change(kind: ItemKind, id: string): AssignmentChange | undefined {
    const { directory } = this.#source;
    if (kind === 'task') return this.#taskChange(id);
    if (kind === 'keys') return this.#keysChange();
    if (kind === 'network') {
      const network = this.knows('network', id) ? directory.network(id) : undefined;
      return changeOf(network, { network: network ?? NetworkRecord.create({ id }) });
    }
    if (kind === 'endpoint') {
      const endpoint = this.#knowsEndpoint(id) ? directory.endpoint(id) : undefined;
      return changeOf(endpoint, { endpoint: endpoint ?? EndpointRecord.create({ id }) });
    }
    if (kind === 'service') {
      const isKnown = directory.networksOfService(id).some((network) => this.knows('network', network));
      const service = isKnown ? directory.service(id) : undefined;
      return changeOf(service, { service: service ?? ServiceRecord.create({ id }) });
    }
    if (kind === 'secret') {
      const secret = this.knows('secret', id) ? this.#source.secret(id) : undefined;
      return changeOf(secret, { secret: secret ?? Secret.create({ id }) });
    }
    const config = this.knows('config', id) ? this.#source.config(id) : undefined;
    return changeOf(config, { config: config ?? Config.create({ id }) });
  }

  #knowsEndpoint(id: string): boolean {
    const networkId = networkOf(id);
    return this.knows(this.#source.directory.isSandbox(id) ? 'sandboxes' : 'network', networkId);
  }

  #taskChange(id: string): AssignmentChange | undefined {
    const task = this.#source.task(id);
    const sent = this.#sentTasks.get(id);
    if (!task || task.nodeId !== this.nodeId || task.status.state < TaskState.ASSIGNED) {
      this.#sentTasks.delete(id);
      return sent && changeOf(undefined, { task: Task.create({ id }) });
    }
    // What the node has reported itself is no news to it.
    if (sent && isDeepStrictEqual({ ...sent, meta: task.meta, status: task.status }, task)) return undefined;
    this.#sentTasks.set(id, task);
    this.#causedBy(task.meta.changeId);
    return changeOf(task, { task });
  }

  /** Only who has an endpoint in an encrypted network gets them. */
  #keysChange(): AssignmentChange | undefined {
    const networks = [...this.#reasons.keys()].flatMap((key) =>
      key.startsWith(NETWORK) ? (this.#source.directory.network(key.slice(NETWORK.length)) ?? []) : [],
    );
    const isNeeded = networks.some(({ driverOptions }) => isEncrypted(driverOptions));
    const clock = isNeeded ? this.#source.networkKeys().clock : 0;
    if (clock === this.#sentKeys) return undefined;
    this.#sentKeys = clock;
    return clock === 0
      ? changeOf(undefined, { networkKeys: NetworkKeyRing.create() })
      : changeOf(clock, { networkKeys: this.#source.networkKeys() });
  }

  /** Replaces the reasons that an owner gives. What gets its first or loses its last one has changed. */
  #giveReasons(owner: string, keys: readonly Key[]): void {
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

  #flip(key: Key, known: boolean): void {
    const id = key.slice(key.indexOf(':') + 1);
    if (key.startsWith('sandboxes:')) {
      this.#tellOf(sandboxesOf(id), known);
      return;
    }
    this.#changed.add(key);
    if (!key.startsWith(NETWORK)) return;
    this.keysChanged();
    this.#tellOf(id, known);
    if (!known) this.#giveReasons(id, []);
  }

  #tellOf(topic: Topic, known: boolean): void {
    for (const [kind, id] of this.#source.directory.itemsOf(topic)) this.changed(kind, id);
    this.#onSubscription(topic, known);
  }
}

function changeOf(present: unknown, item: Partial<Assignment>): AssignmentChange {
  const action = present === undefined ? AssignmentChangeAction.REMOVE : AssignmentChangeAction.UPDATE;
  return { action, assignment: Assignment.create(item) };
}
