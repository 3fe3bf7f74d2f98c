import { expect, test } from 'vitest';
import { type ActualState, NOTHING_ACTUAL } from '../plan/actual.js';
import type { DesiredState, Sandbox } from '../state.js';
import { earlyOperations } from './early.js';

const sandbox = (id: string, resolves: boolean): Sandbox => ({
  id,
  endpoints: [],
  gateway: false,
  virtualServices: [],
  ingress: undefined,
  hostPorts: [],
  resolver: resolves ? { zones: [], nameservers: [], forward: false } : undefined,
});
const desired = (...sandboxes: Sandbox[]): DesiredState => ({
  underlay: undefined,
  gatewayBridge: undefined,
  overlays: [],
  bridges: [],
  routed: [],
  sandboxes,
  ingress: undefined,
  zones: [],
});
const actual = (...names: string[]): ActualState => ({
  namespaces: new Map(names.map((name) => [name, NOTHING_ACTUAL])),
  nameless: new Set(),
  staleFiles: [],
});

test('early - the namespace of a resolver comes before all else, with a loopback that can be listened at', () => {
  const operations = earlyOperations(desired(sandbox('a', true), sandbox('b', true)), actual('b'));
  expect(operations).toEqual([
    { kind: 'create-namespace', subject: { kind: 'sandbox', id: 'a' }, namespace: 'a' },
    { kind: 'raise-loopback', subject: { kind: 'sandbox', id: 'a' }, namespace: 'a' },
  ]);
});

test('early - one without a resolver is made with the rest', () => {
  expect(earlyOperations(desired(sandbox('a', false)), actual())).toEqual([]);
});
