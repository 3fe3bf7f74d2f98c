import { describe, expect, it } from 'vitest';
import type { DesiredState, Sandbox, VirtualService } from '../../netlb/state.js';
import type { SwarmState } from './desired-state.js';
import { type LocalState, union } from './union.js';

const sandbox = (id: string, networks: string[], fields: Partial<Sandbox> = {}): Sandbox => ({
  id,
  endpoints: networks.map((networkId, index) => ({ networkId, addresses: [`10.0.${index}.2`], mac: '' })),
  gateway: false,
  virtualServices: [],
  ingress: undefined,
  hostPorts: [],
  resolver: { zones: networks, nameservers: [], forward: true },
  ...fields,
});
const local = (...sandboxes: Sandbox[]): LocalState => ({
  bridges: [
    {
      id: 'bridge',
      name: 'tsswarm0',
      gateways: ['172.17.0.1/16'],
      mtu: 0,
      internal: false,
      interContainer: true,
      masquerade: true,
    },
  ],
  sandboxes,
  zones: [{ id: 'bridge', networkName: 'bridge', names: [], ports: [] }],
});
const vip: VirtualService = { address: '10.0.1.3', backends: [] };
const swarm = (attached: [string, string][]): SwarmState => ({
  state: {
    underlay: { address: '203.0.113.1', vxlanPort: 4789 },
    gatewayBridge: { address: '172.18.0.1/16', address6: '' },
    overlays: [{ id: 'ov', vni: 4097, gateways: ['10.0.1.1/24'], mtu: 0, remotes: [] }],
    bridges: [],
    routed: [],
    sandboxes: [sandbox('task', ['ov'])],
    ingress: undefined,
    zones: [{ id: 'ov', networkName: 'ov', names: [], ports: [] }],
  } as DesiredState,
  attached: new Map(attached.map(([id, networkId]) => [id, [{ networkId, virtualServices: [vip] }]])),
});
const networks = (state: DesiredState, id: string) =>
  state.sandboxes.find((found) => found.id === id)?.endpoints.map(({ networkId }) => networkId);

describe('union - in no swarm', () => {
  it("is the machine's own part, without the swarm's way out", () => {
    const state = union(local(sandbox('c', ['bridge', 'ov'], { gateway: true })), undefined);
    expect(state).toMatchObject({ underlay: undefined, gatewayBridge: undefined, overlays: [], ingress: undefined });
    expect(networks(state, 'c')).toEqual(['bridge']);
    expect(state.sandboxes[0]).toMatchObject({ gateway: false, resolver: { zones: ['bridge'] } });
  });
});

describe('union - in a swarm', () => {
  it('has both parts', () => {
    const state = union(local(sandbox('c', ['bridge'])), swarm([]));
    expect(state.sandboxes.map(({ id }) => id)).toEqual(['c', 'task']);
    expect(state.zones.map(({ id }) => id)).toEqual(['bridge', 'ov']);
    expect(state.overlays.map(({ id }) => id)).toEqual(['ov']);
  });

  it('has an endpoint in an overlay while managers have it on this node, with its virtual addresses', () => {
    const wanted = local(sandbox('c', ['ov', 'bridge'], { gateway: true }));
    expect(networks(union(wanted, swarm([])), 'c')).toEqual(['bridge']);
    const state = union(wanted, swarm([['c', 'ov']]));
    expect(networks(state, 'c')).toEqual(['ov', 'bridge']);
    expect(state.sandboxes[0]).toMatchObject({ gateway: true, virtualServices: [vip] });
  });

  it('makes no sandbox for an attachment whose container is not here', () => {
    expect(union(local(), swarm([['gone', 'ov']])).sandboxes.map(({ id }) => id)).toEqual(['task']);
  });
});
