import { addressOf } from '../../lib/ip.js';
import type { TransportProtocol, Zone, ZoneName, ZonePort } from '../../netlb/state.js';
import {
  EndpointMode,
  type EndpointRecord,
  EndpointState,
  type NetworkRecord,
  Protocol,
  type ServiceRecord,
} from '../../proto/gen/index.js';

/** Digits of a task's id that are its container's hostname when the service gives none. */
const SHORT_ID = 12;

const TRANSPORT: Readonly<Record<Protocol, TransportProtocol>> = {
  [Protocol.TCP]: 'tcp',
  [Protocol.UDP]: 'udp',
  [Protocol.SCTP]: 'sctp',
};

/** Names by the addresses that they stand for. */
class Names {
  readonly #names = new Map<string, { readonly addresses: Set<string>; canonical: boolean }>();

  /** @param canonical whether reverse questions for the addresses are answered by it */
  add(name: string, cidrs: readonly string[], canonical = false): void {
    if (name === '' || cidrs.length === 0) return;
    const key = name.toLowerCase();
    const entry = this.#names.get(key) ?? { addresses: new Set(), canonical: false };
    for (const cidr of cidrs) entry.addresses.add(addressOf(cidr));
    entry.canonical ||= canonical;
    this.#names.set(key, entry);
  }

  list(): ZoneName[] {
    return [...this.#names].map(([name, { addresses, canonical }]) => ({ name, addresses: [...addresses], canonical }));
  }
}

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
  const byNetwork = new Map<string, EndpointRecord[]>();
  for (const endpoint of endpoints) {
    const inNetwork = byNetwork.get(endpoint.networkId);
    if (inNetwork) inNetwork.push(endpoint);
    else byNetwork.set(endpoint.networkId, [endpoint]);
  }
  return [...networks]
    .filter(({ ingress }) => !ingress)
    .map(({ id, name }) => zoneOf(id, name, byNetwork.get(id) ?? [], services));
}

function zoneOf(
  id: string,
  networkName: string,
  endpoints: readonly EndpointRecord[],
  services: readonly ServiceRecord[],
): Zone {
  const names = new Names();
  const ports: ZonePort[] = [];
  const shared = new Set<string>();
  for (const service of services) {
    const virtual = service.virtualIps.filter(({ networkId }) => networkId === id).map(({ address }) => address);
    if (service.mode === EndpointMode.DNSRR) shared.add(service.id);
    else if (virtual.length === 0) continue;
    names.add(service.name, virtual, true);
    for (const alias of aliasesIn(service, id)) names.add(alias, virtual);
    ports.push(...portsOf(service));
  }
  const aliases = new Map(services.map((service) => [service.id, aliasesIn(service, id)]));
  for (const endpoint of endpoints) {
    if (endpoint.state === EndpointState.DRAINING || endpoint.taskId === '') continue;
    if (endpoint.serviceId === '') addContainer(names, endpoint);
    else addTask(names, endpoint, shared.has(endpoint.serviceId) ? (aliases.get(endpoint.serviceId) ?? []) : undefined);
  }
  const list = names.list();
  const known = new Set(list.map(({ name }) => name));
  return { id, networkName, names: list, ports: ports.filter(({ service }) => known.has(service)) };
}

/** @param aliases of its service when this stands for its tasks themselves (dnsrr) */
function addTask(names: Names, endpoint: EndpointRecord, aliases: readonly string[] | undefined): void {
  const { serviceName, slot, nodeId, taskId, addresses, state, hostname } = endpoint;
  names.add(`${serviceName}.${slot || nodeId}.${taskId}`, addresses, true);
  names.add(taskId.slice(0, SHORT_ID), addresses);
  // One with placeholders is filled in on the task's node alone.
  if (!hostname.includes('{{')) names.add(hostname, addresses);
  if (state !== EndpointState.SERVING) return;
  names.add(`tasks.${serviceName}`, addresses);
  if (aliases === undefined) return;
  for (const name of [serviceName, ...aliases]) names.add(name, addresses);
}

/** Its first name is the container's own. */
function addContainer(names: Names, { aliases, hostname, addresses }: EndpointRecord): void {
  aliases.forEach((alias, i) => {
    names.add(alias, addresses, i === 0);
  });
  names.add(hostname, addresses);
}

function aliasesIn({ aliases }: ServiceRecord, networkId: string): readonly string[] {
  return aliases.filter((alias) => alias.networkId === networkId).flatMap(({ names }) => names);
}

function portsOf({ name: service, ports }: ServiceRecord): ZonePort[] {
  return ports
    .filter(({ name }) => name !== '')
    .map(({ name, protocol, targetPort }) => ({
      port: name,
      protocol: TRANSPORT[protocol],
      service: service.toLowerCase(),
      target: targetPort,
    }));
}
