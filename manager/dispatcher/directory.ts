import { isDeepStrictEqual } from 'node:util';
import { Assignment, type EndpointRecord, type NetworkRecord, type ServiceRecord } from '../../proto/gen/index.js';
import { Item } from './item.js';
import { type SharedChange, update } from './shared-change.js';

/**
 * Who is told of a record: the nodes of a network, or those of them that house tasks of the ingress network. Only
 * tasks answer by way of a node's ingress_sbox: without them a node needs no other's, of which there are as many as nodes.
 */
export type Topic = string;

/** Of all in the ingress network that is a node's own. */
export const sandboxesOf = (networkId: string): Topic => `sandboxes of ${networkId}`;

/** Why a node is told of something: it has something in a network or houses published tasks, or a task there uses the file. */
export type Reason = `${'network' | 'sandboxes' | 'secret' | 'config'}:${string}`;

/** Called for each record that has changed, with the topic whose nodes have to know. */
export type OnChange = (topic: Topic, item: Item) => void;

/** A record, and what all nodes that have to know it are told. */
interface Shared<R> {
  readonly item: Item;
  readonly record: R;
  readonly change: SharedChange;
}

interface SharedEndpoint extends Shared<EndpointRecord> {
  readonly topic: Topic;
  /** Whether it is a node's ingress_sbox. */
  readonly isSandbox: boolean;
  /** Without it a node has nothing to do with it. */
  readonly reason: Reason;
}

interface SharedService extends Shared<ServiceRecord> {
  readonly networks: readonly string[];
  /** Without any of them a node has nothing to do with it. */
  readonly reasons: readonly Reason[];
}

/**
 * The records that nodes share, by network: which endpoints and services a network has. All nodes of
 * a network see the same records, so they are kept, and encoded, once; a record that stays the same is no change.
 */
export class Directory {
  readonly #onChange: OnChange;
  readonly #networks = new Map<string, Shared<NetworkRecord>>();
  readonly #endpoints = new Map<string, SharedEndpoint>();
  readonly #endpointsOf = new Map<Topic, Map<string, Item>>();
  readonly #owned = new Map<string, readonly EndpointRecord[]>();
  readonly #services = new Map<string, SharedService>();
  readonly #servicesOf = new Map<string, Map<string, Item>>();

  constructor(onChange: OnChange) {
    this.#onChange = onChange;
  }

  network(id: string): Shared<NetworkRecord> | undefined {
    return this.#networks.get(id);
  }

  endpoint(id: string): SharedEndpoint | undefined {
    return this.#endpoints.get(id);
  }

  service(id: string): SharedService | undefined {
    return this.#services.get(id);
  }

  /** Endpoints of a task or node. */
  owned(ownerId: string): readonly EndpointRecord[] {
    return this.#owned.get(ownerId) ?? [];
  }

  /** All of a topic: of a network its own record, its endpoints, its services. */
  *itemsOf(topic: Topic): Iterable<Item> {
    const network = this.#networks.get(topic);
    if (network) yield network.item;
    yield* this.#endpointsOf.get(topic)?.values() ?? [];
    yield* this.#servicesOf.get(topic)?.values() ?? [];
  }

  setNetwork(id: string, record: NetworkRecord | undefined): void {
    const before = this.#networks.get(id);
    if (isDeepStrictEqual(before?.record, record)) return;
    const item = before?.item ?? new Item('network', id);
    if (record) this.#networks.set(id, { item, record, change: update(Assignment.create({ network: record })) });
    else this.#networks.delete(id);
    this.#onChange(id, item);
  }

  /** Replaces all endpoints of a task or node. */
  setEndpoints(ownerId: string, records: readonly EndpointRecord[]): void {
    const before = this.#owned.get(ownerId) ?? [];
    if (before.length === 0 && records.length === 0) return;
    const ids = new Set(records.map((record) => record.id));
    for (const { id } of before) if (!ids.has(id)) this.#removeEndpoint(id);
    for (const record of records) this.#putEndpoint(record);
    if (records.length > 0) this.#owned.set(ownerId, records);
    else this.#owned.delete(ownerId);
  }

  setService(id: string, record: ServiceRecord | undefined, networks: readonly string[]): void {
    const before = this.#services.get(id);
    const same = isDeepStrictEqual(before?.record, record) && isDeepStrictEqual(before?.networks ?? [], networks);
    if (same) return;
    const item = before?.item ?? new Item('service', id);
    for (const network of before?.networks ?? []) leave(this.#servicesOf, network, id);
    if (record) {
      const reasons = networks.map((network): Reason => `network:${network}`);
      const change = update(Assignment.create({ service: record }));
      this.#services.set(id, { item, record, networks, reasons, change });
    } else this.#services.delete(id);
    for (const network of record ? networks : []) enter(this.#servicesOf, network, item);
    for (const network of new Set([...(before?.networks ?? []), ...networks])) this.#onChange(network, item);
  }

  #putEndpoint(record: EndpointRecord): void {
    const { id, networkId, taskId } = record;
    const before = this.#endpoints.get(id);
    if (isDeepStrictEqual(before?.record, record)) return;
    const inIngress = this.#networks.get(networkId)?.record.ingress === true;
    const isSandbox = before?.isSandbox ?? (taskId === '' && inIngress);
    const topic = isSandbox ? sandboxesOf(networkId) : networkId;
    const item = before?.item ?? new Item('endpoint', id);
    const reason: Reason = `${isSandbox ? 'sandboxes' : 'network'}:${networkId}`;
    const change = update(Assignment.create({ endpoint: record }));
    this.#endpoints.set(id, { item, record, topic, isSandbox, reason, change });
    enter(this.#endpointsOf, topic, item);
    this.#onChange(topic, item);
  }

  #removeEndpoint(id: string): void {
    const before = this.#endpoints.get(id);
    if (!before) return;
    this.#endpoints.delete(id);
    leave(this.#endpointsOf, before.topic, id);
    this.#onChange(before.topic, before.item);
  }
}

function enter(items: Map<Topic, Map<string, Item>>, topic: Topic, item: Item): void {
  const known = items.get(topic);
  if (known) known.set(item.id, item);
  else items.set(topic, new Map([[item.id, item]]));
}

function leave(items: Map<Topic, Map<string, Item>>, topic: Topic, id: string): void {
  const known = items.get(topic);
  known?.delete(id);
  if (known?.size === 0) items.delete(topic);
}
