import { addressOf } from '../../lib/ip.js';
import { finish, type Steps } from '../../lib/steps.js';
import type { Zone, ZoneName, ZonePort } from '../../netlb/state.js';
import {
  EndpointMode,
  type EndpointRecord,
  EndpointState,
  type NetworkRecord,
  type ServiceRecord,
} from '../../proto/gen/index.js';
import { protocolText } from '../../proto/ports.js';
import { slotName } from '../../proto/task-names.js';

/** Digits of a task's id that are its container's hostname when the service gives none. */
const SHORT_ID = 12;

/** Names by the addresses that they stand for. */
class Names {
  readonly #names = new Map<string, { readonly addresses: string[]; canonical: boolean }>();

  /** @param canonical whether reverse questions for the addresses are answered by it */
  add(name: string, addresses: readonly string[], canonical = false): void {
    if (name === '' || addresses.length === 0) return;
    const key = name.toLowerCase();
    const entry = this.#names.get(key);
    if (!entry) {
      this.#names.set(key, { addresses: [...addresses], canonical });
      return;
    }
    entry.addresses.push(...addresses);
    entry.canonical ||= canonical;
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  list(): ZoneName[] {
    return [...this.#names].map(([name, { addresses, canonical }]) => ({
      name,
      addresses: addresses.length > 1 ? [...new Set(addresses)] : addresses,
      canonical,
    }));
  }
}

/** A zone and what it was made from. */
interface Made {
  readonly endpoints: readonly EndpointRecord[];
  readonly services: readonly ServiceRecord[];
  readonly zone: Zone;
}

/** Most changes leave most networks as they are: their zones are made again only when their own records differ. */
const lastMade = new WeakMap<NetworkRecord, Made>();

/**
 * The names of a node's networks, as Docker gives them: services by their virtual addresses or, in mode dnsrr, their
 * tasks'; `tasks.<service>`; each task and container by its own names. Nobody is to connect to what is about
 * to stop: a draining endpoint has no names. A service's names stand for tasks that serve; a task that does
 * not yet is found by its own names alone, for members of a cluster find each other before they serve.
 * @param networks those with an endpoint on this node; nobody resolves names in the ingress network
 * @param endpoints without those of tasks that have ended
 */
export function zonesOf(
  networks: Iterable<NetworkRecord>,
  endpoints: readonly EndpointRecord[],
  services: readonly ServiceRecord[],
): Zone[] {
  return finish(zonesSteps(networks, endpoints, services));
}

/** The same, to be interrupted between the networks and within the large ones. */
export function* zonesSteps(
  networks: Iterable<NetworkRecord>,
  endpoints: readonly EndpointRecord[],
  services: readonly ServiceRecord[],
): Steps<Zone[]> {
  const endpointsIn = byNetwork(endpoints);
  const servicesIn = groupBy(services, ({ virtualIps }) => virtualIps.map(({ networkId }) => networkId));
  const shared = new Map(services.filter(isShared).map((service) => [service.id, service]));
  const zones: Zone[] = [];
  for (const network of networks) {
    if (network.ingress) continue;
    yield;
    const members = endpointsIn.get(network.id) ?? [];
    const spread = new Set(
      members.map(({ serviceId }) => shared.get(serviceId)).filter((found) => found !== undefined),
    );
    const reached = [...new Set([...(servicesIn.get(network.id) ?? []), ...spread])];
    const last = lastMade.get(network);
    if (last && sameItems(last.endpoints, members) && sameItems(last.services, reached)) {
      zones.push(last.zone);
      continue;
    }
    const zone = yield* zoneOf(network, members, reached);
    lastMade.set(network, { endpoints: members, services: reached, zone });
    zones.push(zone);
  }
  return zones;
}

/** In mode dnsrr a service has no address of its own: its names stand for its tasks. */
const isShared = ({ mode }: ServiceRecord): boolean => mode === EndpointMode.DNSRR;

/** Endpoints between two turns. */
const MANY = 256;

function* zoneOf(
  { id, name: networkName }: NetworkRecord,
  endpoints: readonly EndpointRecord[],
  services: readonly ServiceRecord[],
): Steps<Zone> {
  const names = new Names();
  const shared = new Map<string, readonly string[]>();
  for (const service of services) {
    const aliases = aliasesIn(service, id);
    if (isShared(service)) {
      shared.set(service.id, [service.name, ...aliases]);
      continue;
    }
    const virtual = service.virtualIps.filter(({ networkId }) => networkId === id);
    const addresses = virtual.map(({ address }) => addressOf(address));
    names.add(service.name, addresses, true);
    for (const alias of aliases) names.add(alias, addresses);
  }
  for (const [i, endpoint] of endpoints.entries()) {
    if (i % MANY === 0) yield;
    if (endpoint.state === EndpointState.DRAINING || endpoint.taskId === '') continue;
    if (endpoint.serviceId === '') addContainer(names, endpoint);
    else addTask(names, endpoint, shared.get(endpoint.serviceId) ?? []);
  }
  yield;
  const ports = services.flatMap(portsOf).filter(({ service }) => names.has(service));
  return { id, networkName, names: names.list(), ports };
}

/** @param shared names of its service that stand for its tasks */
function addTask(names: Names, endpoint: EndpointRecord, shared: readonly string[]): void {
  const { serviceName, taskId, state, hostname } = endpoint;
  const addresses = endpoint.addresses.map(addressOf);
  names.add(`${slotName(endpoint)}.${taskId}`, addresses, true);
  names.add(taskId.slice(0, SHORT_ID), addresses);
  // One with placeholders is filled in on the task's node alone.
  if (!hostname.includes('{{')) names.add(hostname, addresses);
  if (state !== EndpointState.SERVING) return;
  names.add(`tasks.${serviceName}`, addresses);
  for (const name of shared) names.add(name, addresses);
}

/** Its first name is the container's own. */
function addContainer(names: Names, endpoint: EndpointRecord): void {
  const addresses = endpoint.addresses.map(addressOf);
  endpoint.aliases.forEach((alias, i) => {
    names.add(alias, addresses, i === 0);
  });
  names.add(endpoint.hostname, addresses);
}

function aliasesIn({ aliases }: ServiceRecord, networkId: string): readonly string[] {
  return aliases.filter((alias) => alias.networkId === networkId).flatMap(({ names }) => names);
}

function portsOf({ name: service, ports }: ServiceRecord): ZonePort[] {
  return ports
    .filter(({ name }) => name !== '')
    .map(({ name, protocol, targetPort }) => ({
      port: name,
      protocol: protocolText(protocol),
      service: service.toLowerCase(),
      target: targetPort,
    }));
}

function byNetwork(endpoints: readonly EndpointRecord[]): ReadonlyMap<string, readonly EndpointRecord[]> {
  const groups = new Map<string, EndpointRecord[]>();
  for (const endpoint of endpoints) {
    const group = groups.get(endpoint.networkId);
    if (group) group.push(endpoint);
    else groups.set(endpoint.networkId, [endpoint]);
  }
  return groups;
}

function groupBy<T>(items: readonly T[], keys: (item: T) => readonly string[]): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    for (const key of keys(item)) {
      const group = groups.get(key);
      if (group) group.push(item);
      else groups.set(key, [item]);
    }
  }
  return groups;
}

const sameItems = <T>(a: readonly T[], b: readonly T[]): boolean =>
  a.length === b.length && a.every((item, i) => item === b[i]);
