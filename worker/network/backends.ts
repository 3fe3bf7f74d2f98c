import { addressOf, familyOf } from '../../lib/ip.js';
import type { Backend } from '../../netlb/state.js';
import { type EndpointRecord, EndpointState } from '../../proto/gen/index.js';

const NONE: readonly Backend[] = [];

/**
 * The addresses that balancers send to, per network, service and family. A draining endpoint has weight 0:
 * it keeps its connections and gets no new ones; one that does not serve yet is not among them.
 */
export function backendsByService(
  endpoints: Iterable<EndpointRecord>,
): (networkId: string, serviceId: string, family: 4 | 6) => readonly Backend[] {
  const groups = new Map<string, Backend[]>();
  for (const { networkId, serviceId, addresses, state } of endpoints) {
    if (state === EndpointState.PRESENT || serviceId === '') continue;
    const weight = state === EndpointState.SERVING ? 1 : 0;
    for (const address of addresses.map(addressOf)) {
      const key = `${networkId}/${serviceId}/${familyOf(address)}`;
      const group = groups.get(key);
      if (group) group.push({ address, weight });
      else groups.set(key, [{ address, weight }]);
    }
  }
  return (networkId, serviceId, family) => groups.get(`${networkId}/${serviceId}/${family}`) ?? NONE;
}
