import { addressOf } from '../../lib/ip.js';
import type { PortStatistics } from '../../netlb/balancer/statistics.js';
import { BackendTraffic, type EndpointRecord, PortTraffic, type Protocol } from '../../proto/gen/index.js';
import { protocolText } from '../../proto/ports.js';
import { slotName } from '../../proto/task-names.js';
import type { Assignments } from '../agent/assignments.js';

/** What the data plane knows by addresses and port numbers, under the names of services and tasks. Pure. */
export function ingressTraffic(statistics: readonly PortStatistics[], assignments: Assignments): PortTraffic[] {
  const published = publishers(assignments);
  const owners = ownersOfAddresses(assignments);
  return statistics.flatMap((port) => {
    const publisher = published.get(portKey(port.protocol, port.published, port.hostAddress));
    // Its service has gone since: so will the port with the next pass.
    if (!publisher) return [];
    const { serviceId, serviceName, protocol } = publisher;
    return PortTraffic.create({
      serviceId,
      serviceName,
      protocol,
      published: port.published,
      target: port.target,
      hostAddress: port.hostAddress,
      backends: port.backends.map((backend) => {
        const owner = owners.get(backend.address);
        return BackendTraffic.create({ ...backend, ...(owner ? taskOf(owner) : {}) });
      }),
    });
  });
}

interface Publisher {
  readonly serviceId: string;
  readonly serviceName: string;
  readonly protocol: Protocol;
}

const portKey = (protocol: string, published: number, hostAddress: string): string =>
  `${hostAddress} ${published}/${protocol}`;

function publishers({ services }: Assignments): ReadonlyMap<string, Publisher> {
  const found = new Map<string, Publisher>();
  for (const { id: serviceId, name: serviceName, ports } of services.values())
    for (const { protocol, publishedPort, hostIp } of ports)
      found.set(portKey(protocolText(protocol), publishedPort, hostIp), { serviceId, serviceName, protocol });
  return found;
}

/** In the ingress network: other networks may have the same addresses. */
function ownersOfAddresses({ networks, endpoints }: Assignments): ReadonlyMap<string, EndpointRecord> {
  const owners = new Map<string, EndpointRecord>();
  for (const endpoint of endpoints.values()) {
    if (endpoint.taskId === '' || !networks.get(endpoint.networkId)?.ingress) continue;
    for (const address of endpoint.addresses) owners.set(addressOf(address), endpoint);
  }
  return owners;
}

const taskOf = (owner: EndpointRecord) => ({ taskId: owner.taskId, taskName: slotName(owner) });
