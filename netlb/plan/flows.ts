/** Which tracked connections to forget. Pure. */
import { addressOf } from '../../lib/ip.js';
import type { NamespaceBlueprint } from '../blueprint/model.js';
import { FLOWS_AT_SET, VIRTUAL_FLOWS_SET } from '../blueprint/ports.js';
import type { FlowFilter } from '../kernel/conntrack.js';
import { NODE_NAMESPACE } from '../names.js';
import { differenceOf } from '../nft/elements.js';
import { type Family, ipName } from '../nft/family.js';
import { keyOf, protocolNumbers } from '../nft/table.js';
import type { TransportProtocol } from '../state.js';
import type { ActualNamespace } from './actual.js';

function protocolOf(number: string | undefined): TransportProtocol {
  const names: readonly TransportProtocol[] = ['tcp', 'udp', 'sctp'];
  const name = names.find((protocol) => String(protocolNumbers[protocol]) === number);
  if (name === undefined) throw new TypeError(`${number} is not a transport protocol's number`);
  return name;
}

/** The connections that an element of a journal (blueprint/ports.ts) stands for. */
export function flowFilterOf(set: string, element: string): FlowFilter {
  const parts = element.split(' . ');
  if (set === FLOWS_AT_SET) {
    const [address, protocol, port] = parts;
    return { protocol: protocolOf(protocol), originalDestination: address, originalDestinationPort: Number(port) };
  }
  if (set === VIRTUAL_FLOWS_SET) return { originalDestination: parts[0], replySource: parts[1] };
  return { protocol: protocolOf(parts[0]), originalDestinationPort: Number(parts[1]), replySource: parts[2] };
}

/**
 * A UDP client that sent to a port before it was published has a tracked connection that is not
 * translated, and keeps it as long as it goes on sending. Such connections to this node are forgotten.
 */
export function newUdpFlows(wanted: NamespaceBlueprint, actual: ActualNamespace): FlowFilter[] {
  if (wanted.name !== NODE_NAMESPACE) return [];
  return ([4, 6] as const).flatMap((family) => newUdpFlowsOf(wanted, actual, family));
}

function newUdpFlowsOf(wanted: NamespaceBlueprint, actual: ActualNamespace, family: Family): FlowFilter[] {
  const table = wanted.tables.find((candidate) => candidate.family === ipName[family]);
  const before = table && actual.tables.get(keyOf(table))?.sets;
  const ports = (table?.sets ?? [])
    .filter(({ keep }) => keep === 'exact')
    .flatMap(({ name, elements }) => {
      const now = before?.get(name)?.elements ?? [];
      const missing = differenceOf(elements, now)
        .missing.map(portOf)
        .filter((port) => port.startsWith('17 . '));
      // Published already, only elsewhere.
      const known = new Set(missing.length > 0 ? now.map(portOf) : []);
      return missing.filter((port) => !known.has(port));
    });
  const local = actual.addresses
    .filter((address) => address.family === family && address.scope === 0)
    .map((a) => addressOf(a.cidr));
  return ports.flatMap((port) =>
    local.map(
      (address): FlowFilter => ({
        protocol: 'udp',
        originalDestination: address,
        originalDestinationPort: Number(port.slice('17 . '.length)),
      }),
    ),
  );
}

/** `17 . 53` of `192.0.2.1 . 17 . 53 : 172.18.0.5 . 53`. */
function portOf(element: string): string {
  const key = element.split(' : ', 1)[0] ?? '';
  return key.split(' . ').slice(-2).join(' . ');
}
