import { expect, it } from 'vitest';
import type { Zone } from '../state.js';
import { messagesOf, zoneCommands } from './zone-diff.js';

const zone = (id: string, names: Record<string, string[]>, fields: Partial<Zone> = {}): Zone => ({
  id,
  networkName: id,
  names: Object.entries(names).map(([name, addresses]) => ({ name, addresses, canonical: false })),
  ports: [],
  ...fields,
});
const map = (...zones: Zone[]) => new Map(zones.map((item) => [item.id, item]));

it('nothing is said of what has not changed, though it is another object', () => {
  const names = { web: ['10.0.1.2'], db: ['10.0.1.3'] };
  expect(zoneCommands(map(zone('a', names)), map(zone('a', names)))).toEqual([]);
});

it('a new zone is told whole, though it is empty', () => {
  const a = zone('a', {});
  expect(zoneCommands(map(), map(a))).toEqual([
    { kind: 'change-zone', change: { id: 'a', networkName: 'a', put: [], removed: [], ports: [] } },
  ]);
});

it('only names that differ are told', () => {
  const before = zone('a', { same: ['10.0.1.2'], moved: ['10.0.1.3'], gone: ['10.0.1.4'] });
  const after = zone('a', { same: ['10.0.1.2'], moved: ['10.0.1.5'], made: ['10.0.1.4'] });
  const [, moved, made] = after.names;
  expect(zoneCommands(map(before), map(after))).toEqual([
    { kind: 'change-zone', change: { id: 'a', networkName: 'a', put: [moved, made], removed: ['gone'], ports: [] } },
  ]);
});

it('ports alone are a change', () => {
  const ports = [{ port: 'http', protocol: 'tcp', service: 'web', target: 80 }] as const;
  const [command] = zoneCommands(
    map(zone('a', { web: ['10.0.1.2'] })),
    map(zone('a', { web: ['10.0.1.2'] }, { ports })),
  );
  expect(command).toMatchObject({ change: { put: [], removed: [], ports } });
});

it('a zone that is gone is removed; one whose network is called otherwise is made anew', () => {
  const before = map(zone('a', { web: ['10.0.1.2'] }), zone('b', { web: ['10.0.2.2'] }));
  const b = zone('b', { web: ['10.0.2.2'] }, { networkName: 'other' });
  expect(zoneCommands(before, map(b))).toEqual([
    { kind: 'remove-zone', id: 'a' },
    { kind: 'remove-zone', id: 'b' },
    { kind: 'change-zone', change: { id: 'b', networkName: 'other', put: b.names, removed: [], ports: [] } },
  ]);
});

it('a large zone is told in parts, which are messages of their own', () => {
  const names = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`n${i}`, [`10.0.${i >> 8}.${i & 255}`]]));
  const large = zone('large', names);
  const small = [zone('a', { web: ['10.0.1.2'] }), zone('b', {})];
  const messages = [...messagesOf(zoneCommands(map(), map(large, ...small)))];
  const put = (message: (typeof messages)[number]) =>
    message.flatMap((command) => (command.kind === 'change-zone' ? command.change.put : []));
  expect(messages.map((message) => put(message).length)).toEqual([256, 256, 256, 233]);
  expect(messages.flatMap(put)).toEqual([...large.names, ...small.flatMap((item) => item.names)]);
  expect([...messagesOf([])]).toEqual([]);
});
