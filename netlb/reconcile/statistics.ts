/** Reads from ingress_sbox what the balancer has counted. */
import { familyOf } from '../../lib/ip.js';
import type { Slices } from '../../lib/slices.js';
import type { Steps } from '../../lib/steps.js';
import type { BalancerKind } from '../balancer/balancer.js';
import { countedElement, countedKey, RECEIVED_SET, SENT_SET } from '../balancer/counting.js';
import { type BackendCounters, type PortStatistics, portStatistics } from '../balancer/statistics.js';
import { withEntries } from '../blueprint/entries.js';
import { FLOWS_SET, flowKey, flowsType, kernelAddress, kernelPort, portKey } from '../blueprint/ports.js';
import { countConnections } from '../kernel/connections.js';
import { namespaceInode } from '../kernel/namespace.js';
import { INGRESS_NAMESPACE, NODE_NAMESPACE, TABLE } from '../names.js';
import { type Family, ipName } from '../nft/family.js';
import type { PublishedPort } from '../state.js';
import { entriesIn, marksIn } from './facts.js';
import { type NamespaceHandle, NamespaceHandles } from './handles.js';

const FAMILIES = [4, 6] as const;

/** By the port that a connection enters ingress_sbox by, and the backend's address. */
type CountersOf = (port: Pick<PublishedPort, 'protocol' | 'published'>, address: string) => BackendCounters | undefined;

/**
 * With handles of its own: the passes, which it does not wait for, close theirs when their namespaces shall go.
 * @param directory of the namespaces' files @throws KernelError
 */
export async function statisticsOf(
  ports: readonly PublishedPort[],
  balancer: BalancerKind,
  directory: string,
  slices: Slices,
): Promise<PortStatistics[]> {
  const handles = new NamespaceHandles(directory);
  const isThere = ports.length > 0 && namespaceInode(handles.path(INGRESS_NAMESPACE)) !== undefined;
  if (!isThere) return ports.map((port) => portStatistics(port, () => undefined));
  try {
    const [node, sandbox] = [handles.get(NODE_NAMESPACE), handles.get(INGRESS_NAMESPACE)];
    return await slices.run(readStatistics(ports, balancer, node, sandbox));
  } finally {
    handles.closeAll();
  }
}

function* readStatistics(
  ports: readonly PublishedPort[],
  balancer: BalancerKind,
  node: NamespaceHandle,
  sandbox: NamespaceHandle,
): Steps<PortStatistics[]> {
  const entries = entriesIn(node.tables.node());
  const used = FAMILIES.filter((family) =>
    ports.some(({ backends }) => backends.some(({ address }) => familyOf(address) === family)),
  );
  const counters = new Map<Family, CountersOf>();
  const read = balancer === 'ipvs' ? ipvsCounters : nftCounters;
  for (const family of used) counters.set(family, yield* read(sandbox, family));
  return balancedPorts(ports, entries, (port, address) => counters.get(familyOf(address))?.(port, address));
}

/**
 * Ports and backends as they are asked for, with what is counted of those that the kernel has for them. Pure.
 * @param entries by portAtKey (entries.ts), as they are now
 */
export function balancedPorts(
  ports: readonly PublishedPort[],
  entries: ReadonlyMap<string, number>,
  countersOf: CountersOf,
): PortStatistics[] {
  const entered = withEntries(ports.map(kernelPort), entries);
  return ports.map((port, i) => {
    const as = { protocol: port.protocol, published: entered[i]?.entry ?? port.published };
    return portStatistics(port, (address) => countersOf(as, kernelAddress(address)));
  });
}

/** Of IPVS, which counts by itself. */
function* ipvsCounters({ tables, ipvs }: NamespaceHandle, family: Family): Steps<CountersOf> {
  const counted = new Map<string, BackendCounters>();
  const marks = marksIn(tables.sandbox().get(`${ipName[family]} ${TABLE}`));
  for (const mark of new Set(marks.values())) {
    yield;
    for (const { address, activeConnections: active, counters } of ipvs.destinations({ family, mark })) {
      counted.set(countedElement(mark, address), {
        active,
        connections: Number(counters.connections),
        packetsIn: Number(counters.packetsIn),
        packetsOut: Number(counters.packetsOut),
        bytesIn: Number(counters.bytesIn),
        bytesOut: Number(counters.bytesOut),
      });
    }
  }
  return (port, address) => counted.get(countedElement(marks.get(portKey(port)) ?? 0, address));
}

/** Of the nft balancer: connections that last are the kernel's to count, the rest its sets'. */
function* nftCounters({ namespace, tables }: NamespaceHandle, family: Family): Steps<CountersOf> {
  const active = yield* countConnections(namespace, family);
  const table = ipName[family];
  const marks = marksIn(tables.sandbox().get(`${table} ${TABLE}`));
  const key = countedKey(family);
  yield;
  const connections = tables.counters(table, FLOWS_SET, flowsType(family));
  yield;
  const received = tables.counters(table, RECEIVED_SET, key);
  yield;
  const sent = tables.counters(table, SENT_SET, key);
  return (port, address) => {
    const mark = marks.get(portKey(port));
    if (mark === undefined) return undefined;
    const [element, flow] = [countedElement(mark, address), flowKey(port, address)];
    const incoming = received.get(element);
    if (!incoming) return undefined;
    const outgoing = sent.get(element);
    return {
      active: active.get(flow) ?? 0,
      connections: connections.get(flow)?.packets ?? 0,
      packetsIn: incoming.packets,
      bytesIn: incoming.bytes,
      packetsOut: outgoing?.packets ?? 0,
      bytesOut: outgoing?.bytes ?? 0,
    };
  };
}
