import { isDeepStrictEqual } from 'node:util';
import { messageOf, SwarmError } from '../../lib/errors.js';
import { addressOf } from '../../lib/ip.js';
import { EndpointMode, type Network, type PortConfig, type Service, type VirtualIP } from '../../proto/gen/index.js';
import { isHostMode } from '../../proto/ports.js';
import type { AddressLedger } from './ledger.js';
import { allocated, givesAddresses } from './network.js';
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
  const owner = serviceOwner(service.id);
  const virtualIps: VirtualIP[] = [];
  const freed: string[] = [];
  const wanted = vipNetworks(service, resources);
  for (const [networkId, requested] of wanted) {
    attempt(() => {
      if (giveVirtualIps(owner, networkId, requested, resources)) freed.push(networkId);
    });
    // One that is to be changed and cannot be yet goes on being the service's.
    for (const address of resources.ledger.held(owner, networkId) ?? [])
      virtualIps.push({ networkId, address, requested: addressOf(address) === requested });
  }
  for (const networkId of resources.ledger.networksOf(owner))
    if (!wanted.has(networkId)) freed.push(...resources.ledger.release(owner, networkId));
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
  for (const port of service.endpoint.ports) if (!isHostMode(port)) ports.claim(service.id, port);
  const { virtualIps } = service.endpoint;
  for (const networkId of new Set(virtualIps.map((vip) => vip.networkId))) {
    const addresses = virtualIps.filter((vip) => vip.networkId === networkId).map((vip) => vip.address);
    ledger.claim(serviceOwner(service.id), networkId, addresses);
  }
}

function allocatePort(service: Service, port: PortConfig, previous: PortConfig[], resources: ServiceResources) {
  const { ports } = resources;
  // Of a node's own ports the scheduler and the node know.
  if (isHostMode(port)) return port;
  if (port.publishedPort !== 0) {
    if (!ports.claim(service.id, port))
      throw portTaken(port, resources.serviceName(ports.owner(service.id, port) ?? ''));
    return port;
  }
  const kept = previous.findIndex(
    (p) => isDeepStrictEqual(spreadAside(p), spreadAside(port)) && ports.claim(service.id, p),
  );
  const [same] = kept < 0 ? [] : previous.splice(kept, 1);
  return { ...port, publishedPort: same?.publishedPort ?? ports.assign(service.id, port) };
}

/** What makes a port the same one: not its number, which the swarm chooses, nor how its connections are spread. */
const spreadAside = (port: PortConfig): PortConfig => ({
  ...port,
  publishedPort: 0,
  scheduler: '',
  affinityTimeout: 0,
});

/** Networks in which the service is to have virtual addresses, with the one asked for; empty: any. */
function vipNetworks(service: Service, { network }: ServiceResources): ReadonlyMap<string, string> {
  const requests = new Map<string, string>();
  if (service.spec.endpoint.mode !== EndpointMode.VIP) return requests;
  for (const { target, virtualIp } of service.spec.task.networks) {
    const known = network(target);
    if (!known || givesAddresses(known)) requests.set(target, virtualIp);
  }
  return requests;
}

/** @returns whether an address was freed */
function giveVirtualIps(owner: string, networkId: string, requested: string, resources: ServiceResources): boolean {
  const { ledger } = resources;
  const network = resources.network(networkId);
  if (network) allocated(network);
  if (requested !== '' && ledger.held(owner, networkId)) return ledger.exchange(owner, networkId, requested);
  ledger.assign(owner, networkId, requested === '' ? [] : [requested]);
  return false;
}
