import { expect, test } from 'vitest';
import { nftBalancer } from '../balancer/nft.js';
import { desired, emptyNamespace, facts, OVERLAY } from '../plan/testing.js';
import { blueprint } from './blueprint.js';
import type { NamespaceBlueprint } from './model.js';
import { guarded } from './overlay-guard.js';
import { overlayTunnels, vtepGuard } from './vtep-guard.js';

const tunnel = (vni: number, ...vteps: string[]) => ({ vni, port: 4789, vteps });

test('VTEPs - those of all networks, told apart by port; nothing without a network', () => {
  const tunnels = [tunnel(4097, '192.0.2.3', '192.0.2.2'), tunnel(4096, '192.0.2.2')];
  const { sets, chains } = vtepGuard(tunnels, true);
  expect(sets.map(({ elements }) => elements)).toEqual([['192.0.2.2', '192.0.2.3']]);
  expect(chains[0]?.rules).toEqual(['udp dport 4789 ip saddr != @vteps @th,96,24 { 4096, 4097 } drop']);
  expect(vtepGuard([], false)).toEqual({ sets: [], chains: [] });
});

test('VXLAN - is tracked neither way where nobody asks; what is not of our networks is left as it is', () => {
  const rules = vtepGuard([tunnel(4097, '192.0.2.2')], false).chains.map((chain) => chain.rules.at(-1));
  expect(rules).toEqual(Array(2).fill('udp dport 4789 @th,96,24 { 4097 } notrack'));
});

test('VTEPs - of an overlay that stays as it is because it cannot be described, too; nothing that nft would not take', () => {
  const asked = desired.overlays.map((one) => ({ ...one, mtu: 1 }));
  const made = blueprint({ ...desired, overlays: asked }, { ...facts, stateful: true }, nftBalancer);
  expect(made.spared).toContain(OVERLAY);
  const table = made.namespaces?.[0]?.tables[0];
  expect(table?.sets.find(({ name }) => name === 'vteps')?.elements).toEqual(['192.0.2.2']);
  expect(table?.chains.find(({ name }) => name === 'vtep_guard')?.rules).toEqual([
    'udp dport 4789 ip saddr != @vteps @th,96,24 { 4096 } drop',
  ]);
  const remotes = [{ address: '10.0.0.9', mac: '02:42:0a:00:00:09', vtep: 'fd00::2' }];
  const wrong = [
    { ...overlay, remotes },
    { ...overlay, vni: 2 ** 24 },
  ];
  expect(overlayTunnels(wrong, { address: '192.0.2.1', vxlanPort: 4789 })).toEqual([
    { vni: 4096, port: 4789, vteps: [] },
  ]);
  expect(overlayTunnels(wrong, { address: '192.0.2.1', vxlanPort: 70_000 })).toEqual([]);
});

const namespace = (name: string) => emptyNamespace(name, { kind: 'overlay', id: name });
const overlay = { id: 'network', vni: 4096, gateways: ['10.0.0.1/24', 'fd00:1::1/64'], mtu: 0, remotes: [] };
const rulesOf = ([first]: readonly NamespaceBlueprint[]) => first?.tables.flatMap(({ chains }) => chains[0]?.rules);

test('sources - those of the network’s subnets, of both families, and a host’s that has no address yet', () => {
  const made = guarded([namespace('1-network')], { overlays: [overlay], ingress: undefined });
  expect(rulesOf(made)).toEqual([
    'ether type ip ip saddr != 10.0.0.0/24 drop',
    'ether type ip6 ip6 saddr != { ::, fe80::/10, fd00:1::/64 } drop',
  ]);
});

test('sources - an ingress_sbox that is there and cannot be described goes on sending', () => {
  const ingress = { overlayId: 'network', addresses: ['10.0.0.2/24'], mac: '02:42:0a:00:00:02', services: [] };
  expect(rulesOf(guarded([namespace('1-network')], { overlays: [overlay], ingress }))).toEqual([]);
});
