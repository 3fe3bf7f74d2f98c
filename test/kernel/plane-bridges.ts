/** Desired states of a node with local bridges, as its containers ask for them. Pure. */
import { macOf } from '../../lib/ip.js';
import type { DesiredState, HostPort, LocalBridge, Sandbox, SandboxEndpoint } from '../../netlb/state.js';
import { idOf } from './plane-swarm.js';

export const NODE = '192.0.2.1';
export const NODE6 = '2001:db8::1';
export const OUTSIDE = '192.0.2.100';
export const OUTSIDE6 = '2001:db8::100';

/** Its first gateway is 172.x.0.1/16, its second fd00:x::1/64. */
export function bridge(name: string, subnet: number, more: Partial<LocalBridge> = {}): LocalBridge {
  return {
    id: idOf(name),
    name: name === 'bridge' ? 'tsswarm0' : `br-${idOf(name).slice(0, 12)}`,
    gateways: [`172.${subnet}.0.1/16`],
    mtu: 0,
    internal: false,
    interContainer: true,
    masquerade: true,
    ...more,
  };
}

export const dual = (subnet: number): Pick<LocalBridge, 'gateways'> => ({
  gateways: [`172.${subnet}.0.1/16`, `fd00:${subnet}::1/64`],
});

/** Host number `host` in each of a bridge's subnets. */
export function endpoint(of: LocalBridge, host: number, more: Partial<SandboxEndpoint> = {}): SandboxEndpoint {
  const addresses = of.gateways.map((gateway) => gateway.replace(/1\/\d+$/, String(host)));
  return { networkId: of.id, addresses, mac: macOf(addresses[0] ?? ''), ...more };
}

export function container(
  name: string,
  endpoints: readonly SandboxEndpoint[],
  hostPorts: readonly HostPort[] = [],
): Sandbox {
  return {
    id: idOf(name),
    endpoints,
    gateway: false,
    virtualServices: [],
    ingress: undefined,
    hostPorts,
    resolver: undefined,
  };
}

/** TCP and UDP. */
export const publish = (published: number, hostAddress = '', target = 80): HostPort[] =>
  (['tcp', 'udp'] as const).map((protocol) => ({ protocol, hostAddress, published, target }));

/** A node in no swarm. */
export function alone(bridges: readonly LocalBridge[], sandboxes: readonly Sandbox[]): DesiredState {
  return {
    underlay: undefined,
    gatewayBridge: undefined,
    overlays: [],
    bridges,
    routed: [],
    sandboxes,
    ingress: undefined,
    zones: [],
  };
}
