import { expect, test } from 'vitest';
import type { Event } from './event.js';
import { eventFilter } from './filter.js';

const event = (fields: Partial<Event>): Event => ({
  sequence: 1,
  timeMs: 1,
  timeNs: 0,
  scope: 'swarm',
  type: 'service',
  action: 'create',
  id: 'slkfifjw79it',
  attributes: { name: 'web' },
  ...fields,
});
const service = event({});
const task = event({
  type: 'task',
  id: 't1',
  attributes: { name: 'web.1.t1', service: 'web', 'service.id': 'slkfifjw79it', node: 'node2', 'node.id': 'n2' },
});
const exec = event({
  scope: 'local',
  type: 'container',
  action: 'exec_create: sh -c exit',
  id: 'c1',
  attributes: { name: 'box', image: 'registry:5000/busybox:1.36', tier: 'front' },
});
const connect = event({
  scope: 'local',
  type: 'network',
  action: 'connect',
  id: 'b1',
  attributes: { name: 'bridge', container: 'c1' },
});
const pull = event({
  scope: 'local',
  type: 'image',
  action: 'pull',
  id: 'busybox:1.36',
  attributes: { name: 'busybox' },
});

const shown = (...filters: readonly string[]) => {
  const asked = filters.map((text) => ({
    key: text.split('=', 1)[0] ?? '',
    values: [text.slice(text.indexOf('=') + 1)],
  }));
  const matches = eventFilter(asked);
  return [service, task, exec, connect, pull].filter(matches).map(({ type }) => type);
};

test.each([
  ['type=task', ['task']],
  ['event=create', ['service', 'task']],
  ['event=exec_create', ['container']],
  ['event=exec_create: sh -c exit', ['container']],
  ['scope=local', ['container', 'network', 'image']],
  ['service=web', ['service', 'task']],
  ['service=slkf', ['service', 'task']],
  ['service=we', []],
  ['node=node2', ['task']],
  ['task=web.1.t1', ['task']],
  ['container=box', ['container']],
  ['container=c1', ['container', 'network']],
  ['network=bridge', ['network']],
  ['image=registry:5000/busybox', ['container']],
  ['image=busybox', ['image']],
  ['label=tier', ['container']],
  ['label=tier=front', ['container']],
  ['label=tier=back', []],
])('filter - %s', (filter, types) => {
  expect(shown(filter)).toEqual(types);
});

test('filter - any of the values of a key, all of the keys', () => {
  const matches = eventFilter([
    { key: 'type', values: ['service', 'container'] },
    { key: 'scope', values: ['local'] },
  ]);
  expect([service, task, exec, connect].filter(matches)).toEqual([exec]);
});

test('filter - all labels', () => {
  const labels = (...values: string[]) => [exec].filter(eventFilter([{ key: 'label', values }]));
  expect(labels('tier=front', 'image')).toEqual([exec]);
  expect(labels('tier=front', 'tier=back')).toEqual([]);
});

test('filter - an unknown key or scope is refused with those that are known', () => {
  expect(() => shown('colour=red')).toThrow("invalid filter 'colour'");
  expect(() => shown('scope=global')).toThrow('"global" is not a scope of events');
});
