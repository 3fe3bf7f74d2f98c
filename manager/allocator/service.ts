import { isDeepStrictEqual } from 'node:util';
import { messageOf, SwarmError } from '../../lib/errors.js';
import { addressOf } from '../../lib/ip.js';
import {
  EndpointMode,
  type Network,
  type PortConfig,
  PublishMode,
  type Service,
  type VirtualIP,
} from '../../proto/gen/index.js';
import type { AddressLedger } from './ledger.js';
import { isOverlay } from './network.js';
import { type PortTable, portTaken } from './ports.js';

export interface ServiceResources {
  readonly ledger: AddressLedger;
  readonly ports: PortTable;
  network(id: string): Network | undefined;
  /** The name of a service, for messages. */
  serviceName(id: string): string;
}

export interface EndpointPlan {
  readonly service: Service;
  /** Networks in which an address was freed. */
  readonly freedNetworks: readonly string[];
  readonly freedPorts: boolean;
}

export const serviceOwner = (id: string) => `service/${id}`;

/**
 * Gives the service the ports and virtual addresses that its spec asks for, keeping what it has, and
 * takes back what it asks for no more. What cannot be given is said in `problems`.
 */
export function allocateEndpoint(service: Service, resources: ServiceResources): EndpointPlan {
  const problems: string[] = [];
  const attempt = (give: () => void) => {
    try {
      give();
    } catch (error) {
      if (!(error instanceof SwarmError)) throw error;
      problems.push(messageOf(error));
    }
  };
  const ports: PortConfig[] = [];
  const previous = [...service.endpoint.ports];
  for (const port of service.spec.endpoint.ports) {
    attempt(() => ports.push(allocatePort(service, port, previous, resources)));
  }
  const virtualIps: VirtualIP[] = [];
  const freed: string[] = [];
  for (const { networkId, requested } of vipNetworks(service, resources)) {
    attempt(() => virtualIps.push(allocateVip(service, networkId, requested, resources, freed)));
  }
  for (const networkId of resources.ledger.networksOf(serviceOwner(service.id))) {
    if (virtualIps.some((vip) => vip.networkId === networkId)) continue;
    freed.push(...resources.ledger.release(serviceOwner(service.id), networkId));
  }
  const freedPorts = resources.ports.release(service.id, ports);
  const endpoint = { mode: service.spec.endpoint.mode, ports, virtualIps, allocated: problems.length === 0 };
  const result = { ...service, endpoint, problems };
  return {
    service: isDeepStrictEqual(result, service) ? service : result,
    freedNetworks: freed,
    freedPorts,
  };
}

/** Books what the store says that the service has. */
export function claimEndpoint(service: Service, { ledger, ports }: ServiceResources): void {
  for (const port of service.endpoint.ports) if (isShared(service, port)) ports.claim(service.id, port);
  for (const vip of service.endpoint.virtualIps) {
    ledger.claim(serviceOwner(service.id), vip.networkId, [vip.address]);
  }
}

/** Ingress ports, and ports that the swarm itself has chosen, are one service's only. */
function isShared(service: Service, port: PortConfig): boolean {
  if (port.publishMode === PublishMode.INGRESS) return true;
  return !service.spec.endpoint.ports.some(
    (asked) => asked.publishedPort === port.publishedPort && asked.protocol === port.protocol,
  );
}

function allocatePort(service: Service, port: PortConfig, previous: PortConfig[], resources: ServiceResources) {
  const { ports } = resources;
  if (port.publishedPort !== 0) {
    if (isShared(service, port) && !ports.claim(service.id, port))
      throw portTaken(port, resources.serviceName(ports.owner(port) ?? ''));
    return port;
  }
  const kept = previous.findIndex(
    (p) => isDeepStrictEqual({ ...p, publishedPort: 0 }, port) && ports.claim(service.id, p),
  );
  const [same] = kept < 0 ? [] : previous.splice(kept, 1);
  return same ?? { ...port, publishedPort: ports.assign(service.id, port) };
}

function vipNetworks(service: Service, { network }: ServiceResources) {
  if (service.spec.endpoint.mode !== EndpointMode.VIP) return [];
  const requests = new Map<string, string>();
  for (const { target, virtualIp } of service.spec.task.networks) {
    const known = network(target);
    if (!known || isOverlay(known)) requests.set(target, virtualIp);
  }
  return [...requests].map(([networkId, requested]) => ({ networkId, requested }));
}

function allocateVip(
  service: Service,
  networkId: string,
  requested: string,
  { ledger }: ServiceResources,
  freed: string[],
): VirtualIP {
  const owner = serviceOwner(service.id);
  const has = service.endpoint.virtualIps.find((vip) => vip.networkId === networkId);
  if (has && requested !== '' && addressOf(has.address) !== requested) freed.push(...ledger.release(owner, networkId));
  const addresses = ledger.assign(owner, networkId, requested);
  // A service has one virtual address per network: IPv4's where the network has both families.
  const address = addresses.find((a) => addressOf(a) === requested) ?? addresses[0] ?? '';
  return { networkId, address, requested: requested !== '' };
}
