import { addressOf, familyOf } from '../../lib/ip.js';
import { mappedList } from '../../lib/kept-list.js';
import type { Backend } from '../../netlb/state.js';
import { type EndpointRecord, EndpointState } from '../../proto/gen/index.js';

const NONE: readonly Backend[] = [];

/**
 * The addresses that balancers send to, per network, service and family. A draining endpoint has weight 0:
 * it keeps its connections and gets no new ones; one that does not serve yet is not among them.
 */
export function backendsByService(
  endpoints: readonly EndpointRecord[],
): (networkId: string, serviceId: string, family: 4 | 6) => readonly Backend[] {
  const groups = new Map<string, Backend[]>();
  for (const members of membersOf(endpoints)) {
    for (const { key, backend } of members) {
      const group = groups.get(key);
      if (group) group.push(backend);
      else groups.set(key, [backend]);
    }
  }
  return (networkId, serviceId, family) => groups.get(keyOf(networkId, serviceId, family)) ?? NONE;
}

interface Member {
  readonly key: string;
  readonly backend: Backend;
}

const NOWHERE: readonly Member[] = [];

const keyOf = (networkId: string, serviceId: string, family: 4 | 6): string => `${networkId}/${serviceId}/${family}`;

/** Of each endpoint the groups that it is in: the same objects as long as the endpoint is the same. */
const membersOf = mappedList(({ networkId, serviceId, addresses, state }: EndpointRecord): readonly Member[] => {
  if (state === EndpointState.PRESENT || serviceId === '') return NOWHERE;
  const weight = state === EndpointState.SERVING ? 1 : 0;
  return addresses.map(addressOf).map((address) => ({
    key: keyOf(networkId, serviceId, familyOf(address)),
    backend: { address, weight },
  }));
});
