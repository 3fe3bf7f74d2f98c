import { isDeepStrictEqual } from 'node:util';
import type { EndpointRecord, NetworkRecord, ServiceRecord } from '../../proto/gen/index.js';

/** What a stream can be told of. An endpoint's id begins with its network's. */
export type ItemKind = 'task' | 'network' | 'endpoint' | 'service' | 'secret' | 'config' | 'keys';

/**
 * Who is told of a record: the nodes of a network, or those of them that house tasks of the ingress network. Only
 * tasks answer by way of a node's ingress_sbox: without them a node needs no other's, of which there are as many as nodes.
 */
export type Topic = string;

/** Of all in the ingress network that is a node's own. */
export const sandboxesOf = (networkId: string): Topic => `sandboxes of ${networkId}`;

/** Called for each record that has changed, with the topic whose nodes have to know. */
export type OnChange = (topic: Topic, kind: ItemKind, id: string) => void;

/**
 * The records that nodes share, by network: which endpoints and services a network has. All nodes of
 * a network see the same records, so they are kept once; a record that stays the same is no change.
 */
export class Directory {
  readonly #onChange: OnChange;
  readonly #networks = new Map<string, NetworkRecord>();
  readonly #endpoints = new Map<Topic, Map<string, EndpointRecord>>();
  readonly #owned = new Map<string, readonly EndpointRecord[]>();
  readonly #services = new Map<string, { readonly record: ServiceRecord; readonly networks: readonly string[] }>();
  readonly #servicesOf = new Map<string, Set<string>>();

  constructor(onChange: OnChange) {
    this.#onChange = onChange;
  }

  network(id: string): NetworkRecord | undefined {
    return this.#networks.get(id);
  }

  endpoint(id: string): EndpointRecord | undefined {
    return this.#endpoints.get(this.#topicOf(id))?.get(id);
  }

  /** Whether an endpoint is the ingress_sbox of a node. */
  isSandbox(id: string): boolean {
    return this.#topicOf(id) !== networkOf(id);
  }

  service(id: string): ServiceRecord | undefined {
    return this.#services.get(id)?.record;
  }

  networksOfService(id: string): readonly string[] {
    return this.#services.get(id)?.networks ?? [];
  }

  /** Endpoints of a task or node. */
  owned(ownerId: string): readonly EndpointRecord[] {
    return this.#owned.get(ownerId) ?? [];
  }

  /** All of a topic: of a network its own record, its endpoints, its services. */
  *itemsOf(topic: Topic): Iterable<readonly [ItemKind, string]> {
    if (this.#networks.has(topic)) yield ['network', topic];
    for (const id of this.#endpoints.get(topic)?.keys() ?? []) yield ['endpoint', id];
    for (const id of this.#servicesOf.get(topic) ?? []) yield ['service', id];
  }

  setNetwork(id: string, record: NetworkRecord | undefined): void {
    if (isDeepStrictEqual(this.#networks.get(id), record)) return;
    if (record) this.#networks.set(id, record);
    else this.#networks.delete(id);
    this.#onChange(id, 'network', id);
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
    for (const network of before?.networks ?? []) this.#servicesOf.get(network)?.delete(id);
    if (record) this.#services.set(id, { record, networks });
    else this.#services.delete(id);
    for (const network of record ? networks : []) {
      const services = this.#servicesOf.get(network);
      if (services) services.add(id);
      else this.#servicesOf.set(network, new Set([id]));
    }
    for (const network of new Set([...(before?.networks ?? []), ...networks])) this.#onChange(network, 'service', id);
  }

  #putEndpoint(record: EndpointRecord): void {
    const { id, networkId, taskId } = record;
    const isSandbox = taskId === '' && this.#networks.get(networkId)?.ingress === true;
    const topic = isSandbox ? sandboxesOf(networkId) : networkId;
    let endpoints = this.#endpoints.get(topic);
    if (!endpoints) {
      endpoints = new Map();
      this.#endpoints.set(topic, endpoints);
    }
    if (isDeepStrictEqual(endpoints.get(id), record)) return;
    endpoints.set(id, record);
    this.#onChange(topic, 'endpoint', id);
  }

  #removeEndpoint(id: string): void {
    const topic = this.#topicOf(id);
    const endpoints = this.#endpoints.get(topic);
    if (!endpoints?.delete(id)) return;
    if (endpoints.size === 0) this.#endpoints.delete(topic);
    this.#onChange(topic, 'endpoint', id);
  }

  #topicOf(endpointId: string): Topic {
    const networkId = networkOf(endpointId);
    const sandboxes = sandboxesOf(networkId);
    return this.#endpoints.get(sandboxes)?.has(endpointId) ? sandboxes : networkId;
  }
}

/** The network of an endpoint, by the endpoint's id. */
export function networkOf(endpointId: string): string {
  return endpointId.slice(0, endpointId.indexOf('/'));
}
