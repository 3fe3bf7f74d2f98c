import type { DesiredState, LocalBridge, Sandbox, Zone } from '../../netlb/state.js';
import type { SwarmState } from './desired-state.js';

/** The network state that the machine's own containers ask for. */
export interface LocalState {
  readonly bridges: readonly LocalBridge[];
  /** Their endpoints may be in networks of the swarm too. */
  readonly sandboxes: readonly Sandbox[];
  /** Of its own networks. */
  readonly zones: readonly Zone[];
}

/**
 * The whole state of a machine: its own part, and its swarm's if it is in one. An endpoint in a network of the
 * swarm is there while managers have it on this node: before its attachment has come, and after it has gone, the
 * sandbox is without it.
 */
export function union(local: LocalState, swarm: SwarmState | undefined): DesiredState {
  const bridges = new Set(local.bridges.map(({ id }) => id));
  const zones = [...local.zones, ...(swarm?.state.zones ?? [])];
  const named = new Set(zones.map(({ id }) => id));
  const sandboxes = local.sandboxes.map((sandbox): Sandbox => {
    const attached = swarm?.attached.get(sandbox.id) ?? [];
    const reached = new Set(attached.map(({ networkId }) => networkId));
    return {
      ...sandbox,
      endpoints: sandbox.endpoints.filter(({ networkId }) => bridges.has(networkId) || reached.has(networkId)),
      gateway: sandbox.gateway && reached.size > 0,
      virtualServices: attached.flatMap(({ virtualServices }) => virtualServices),
      resolver: sandbox.resolver && {
        ...sandbox.resolver,
        zones: sandbox.resolver.zones.filter((id) => named.has(id)),
      },
    };
  });
  return {
    underlay: swarm?.state.underlay,
    gatewayBridge: swarm?.state.gatewayBridge,
    overlays: swarm?.state.overlays ?? [],
    bridges: local.bridges,
    routed: swarm?.state.routed ?? [],
    sandboxes: [...sandboxes, ...(swarm?.state.sandboxes ?? [])],
    ingress: swarm?.state.ingress,
    zones,
    encryption: swarm?.state.encryption,
  };
}
