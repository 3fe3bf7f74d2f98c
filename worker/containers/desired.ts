import { addressOf } from '../../lib/ip.js';
import type { HostPort, LocalBridge, Sandbox, SandboxEndpoint, Zone, ZoneName } from '../../netlb/state.js';
import { type ContainerEndpoint, type PortConfig, RunPhase, type StoredContainer } from '../../proto/gen/index.js';
import { protocolText } from '../../proto/ports.js';
import type { LocalState } from '../network/union.js';
import { networkMode } from './endpoints.js';
import { shortId } from './names.js';

/**
 * The network state that containers of this machine ask for: those that run or are about to. The same records
 * give the same lists in the same order.
 */
export function localState(containers: Iterable<StoredContainer>, bridges: readonly LocalBridge[]): LocalState {
  const live = [...containers].filter(({ phase }) => phase !== RunPhase.IDLE).sort((a, b) => (a.id < b.id ? -1 : 1));
  return { bridges, sandboxes: live.flatMap(sandboxOf), zones: zonesOf(live) };
}

/** None in the node's network or in another container's. */
function sandboxOf(record: StoredContainer): Sandbox[] {
  const { kind } = networkMode(record.config);
  if (kind === 'host' || kind === 'container') return [];
  const wired = record.endpoints.filter(({ endpoint }) => isWired(endpoint));
  const ways = wired.filter(({ internal }) => !internal);
  const named = wired.filter(({ endpoint }) => hasNames(endpoint));
  const { nameservers } = record.config.container.dns;
  return [
    {
      id: shortId(record.id),
      endpoints: wired.map(({ endpoint }) => sandboxEndpoint(endpoint)),
      gateway: ways.length > 0 && ways.every(({ endpoint }) => endpoint.driver === 'overlay'),
      virtualServices: [],
      ingress: undefined,
      hostPorts: ways.length > 0 ? record.ports.map(hostPort) : [],
      resolver:
        named.length > 0
          ? { zones: named.map(({ endpoint }) => endpoint.networkId), nameservers, forward: ways.length > 0 }
          : undefined,
    },
  ];
}

function sandboxEndpoint({ networkId, addresses, mac, interface: name }: ContainerEndpoint): SandboxEndpoint {
  return { networkId, addresses: addresses.map(addressOf), mac, interface: name };
}

function hostPort({ protocol, hostIp, publishedPort, targetPort }: PortConfig): HostPort {
  const hostAddress = hostIp === '0.0.0.0' ? '' : hostIp;
  return { protocol: protocolText(protocol), hostAddress, published: publishedPort, target: targetPort };
}

/** Whether it has an interface: host and none have not. */
export const isWired = ({ driver }: ContainerEndpoint): boolean => ['bridge', 'overlay', 'routed'].includes(driver);

/** Names are resolved in all networks but the default bridge. */
const hasNames = (endpoint: ContainerEndpoint): boolean =>
  isWired(endpoint) && !(endpoint.driver === 'bridge' && endpoint.networkName === 'bridge');

/** Names in this machine's own networks; those of the swarm's come from managers. */
function zonesOf(live: readonly StoredContainer[]): Zone[] {
  const zones = new Map<string, { networkName: string; names: Map<string, ZoneName> }>();
  for (const { config, endpoints } of live) {
    for (const { endpoint } of endpoints) {
      if (!hasNames(endpoint) || endpoint.driver !== 'bridge') continue;
      const zone = zones.get(endpoint.networkId) ?? { networkName: endpoint.networkName, names: new Map() };
      zones.set(endpoint.networkId, zone);
      const own = config.name.toLowerCase();
      for (const name of new Set([own, ...endpoint.aliases.map((alias) => alias.toLowerCase())])) {
        const before = zone.names.get(name);
        zone.names.set(name, {
          name,
          // Several containers may share an alias.
          addresses: [...new Set([...(before?.addresses ?? []), ...endpoint.addresses.map(addressOf)])],
          canonical: name === own,
        });
      }
    }
  }
  return [...zones]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, { networkName, names }]) => ({ id, networkName, names: [...names.values()], ports: [] }));
}
