import { familyOf } from '../../lib/ip.js';
import { rememberedOf } from '../../lib/remembered.js';
import type { EndpointRecord, NetworkAttachment, NetworkRecord } from '../../proto/gen/index.js';
import type { LocalTask } from '../agent/local-task.js';

/** What a node is told, and has, of its swarm's networks. */
interface Told {
  readonly networks: ReadonlyMap<string, NetworkRecord>;
  readonly endpoints: readonly EndpointRecord[];
  readonly tasks: readonly LocalTask[];
  /** The node's own. */
  readonly attachments: readonly NetworkAttachment[];
}

/**
 * The same for a kernel without IPv6: of the ingress network, which every node has whether it wants IPv6 or not,
 * IPv4 alone, so that published ports answer over that. A network that was asked to have IPv6 says what it lacks.
 */
export function withoutIpv6({ networks, endpoints, tasks, attachments }: Told): Told {
  const isIngress = (networkId: string): boolean => networks.get(networkId)?.ingress === true;
  const reduced = <T extends Place>(place: T): T => (isIngress(place.networkId) ? (overIpv4(place) as T) : place);
  return {
    networks: new Map(
      [...networks].map(([id, network]) => [
        id,
        network.ingress ? { ...network, ipam: network.ipam.filter(({ subnet }) => isV4(subnet)) } : network,
      ]),
    ),
    endpoints: endpoints.map(reduced),
    tasks: tasks.map((local) => ({ ...local, task: { ...local.task, networks: local.task.networks.map(reduced) } })),
    attachments: attachments.map(reduced),
  };
}

interface Place {
  readonly networkId: string;
  readonly addresses: readonly string[];
}

/** The same object for the same place. */
const overIpv4 = rememberedOf((place: Place): Place => ({ ...place, addresses: place.addresses.filter(isV4) }));

const isV4 = (text: string): boolean => text !== '' && familyOf(text) === 4;
