import { addressOf } from '../../lib/ip.js';
import type { Backend } from '../../netlb/state.js';
import { type EndpointRecord, EndpointState } from '../../proto/gen/index.js';

const NONE: readonly Backend[] = [];

/**
 * The addresses that balancers send to, per network and service. A draining endpoint has weight 0:
 * it keeps its connections and gets no new ones; one that does not serve yet is not among them.
 */
export function backendsByService(
  endpoints: Iterable<EndpointRecord>,
): (networkId: string, serviceId: string) => readonly Backend[] {
  const groups = new Map<string, Backend[]>();
  for (const endpoint of endpoints) {
    const backend = backendOf(endpoint);
    if (!backend || endpoint.serviceId === '') continue;
    const key = `${endpoint.networkId}/${endpoint.serviceId}`;
    const group = groups.get(key);
    if (group) group.push(backend);
    else groups.set(key, [backend]);
  }
  return (networkId, serviceId) => groups.get(`${networkId}/${serviceId}`) ?? NONE;
}

function backendOf({ state, addresses }: EndpointRecord): Backend | undefined {
  const cidr = addresses.find((address) => !address.includes(':'));
  if (cidr === undefined || state === EndpointState.PRESENT) return undefined;
  return { address: addressOf(cidr), weight: state === EndpointState.SERVING ? 1 : 0 };
}
