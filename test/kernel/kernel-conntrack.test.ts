import { afterEach, beforeEach, expect, test } from 'vitest';
import { deleteFlows, type FlowFilter, listFlows } from '../../netlb/kernel/conntrack.js';
import type { NetNamespace } from '../../netlb/kernel/namespace.js';
import { inside, Scratch } from './kernel-scratch.js';

let scratch: Scratch;
beforeEach(() => {
  scratch = new Scratch();
});
afterEach(() => {
  scratch.close();
});

/** A flow from 192.0.2.9 to 203.0.113.1:port that was translated to a backend. */
function track(
  namespace: NetNamespace,
  protocol: 'tcp' | 'udp',
  port: number,
  backend: string,
  ...more: string[]
): void {
  const state = protocol === 'tcp' ? ['--state', 'ESTABLISHED'] : [];
  const tuple = ['-s', '192.0.2.9', '-d', '203.0.113.1', '--sport', '4000', '--dport', String(port)];
  const reply = ['--reply-src', backend, '--reply-dst', '192.0.2.9'];
  const replyPorts = ['--reply-port-src', String(port), '--reply-port-dst', '4000'];
  inside(
    namespace,
    'conntrack',
    '-I',
    '-p',
    protocol,
    ...tuple,
    ...reply,
    ...replyPorts,
    '-t',
    '600',
    ...state,
    ...more,
  );
}

/** Lines that `conntrack` shows. */
const shown = (namespace: NetNamespace) =>
  inside(namespace, 'conntrack', '-L')
    .split('\n')
    .filter((line) => line !== '');

/** Of no connection, and so many that all connections are read instead of being deleted by filter. */
const nobodys = Array.from({ length: 20 }, (_, i): FlowFilter => ({ replySource: `198.51.100.${1 + i}` }));
const ways = [
  ['by filter, where the kernel can', []],
  ['by reading all', nobodys],
] as const;

/** How many connections are gone. */
function deleted(namespace: NetNamespace, ...filters: readonly FlowFilter[]): number {
  const before = listFlows(namespace, {}).length;
  deleteFlows(namespace, ...filters);
  return before - listFlows(namespace, {}).length;
}

test.each(ways)('deleteFlows - by backend, destination, port and protocol, %s', (_, more) => {
  const namespace = scratch.namespace('c');
  const home = scratch.namespace('other');
  for (const where of [namespace, home]) {
    track(where, 'tcp', 80, '10.0.0.1');
    track(where, 'tcp', 81, '10.0.0.2');
    track(where, 'udp', 80, '10.0.0.1');
    track(where, 'udp', 53, '10.0.0.2');
  }
  expect(shown(namespace)).toHaveLength(4);
  expect(listFlows(namespace, {})).toHaveLength(4);
  expect(listFlows(namespace, { replySource: '10.0.0.1', protocol: 'udp' })).toEqual([
    {
      family: 4,
      original: {
        protocol: 17,
        source: '192.0.2.9',
        destination: '203.0.113.1',
        sourcePort: 4000,
        destinationPort: 80,
      },
      reply: { protocol: 17, source: '10.0.0.1', destination: '192.0.2.9', sourcePort: 80, destinationPort: 4000 },
      zone: 0,
    },
  ]);
  expect(deleted(namespace, { replySource: '10.0.0.1' }, ...more)).toBe(2);
  expect(
    shown(namespace)
      .map((line) => /^(\w+).*src=(10\S+)/.exec(line)?.slice(1))
      .sort(),
  ).toEqual([
    ['tcp', '10.0.0.2'],
    ['udp', '10.0.0.2'],
  ]);
  expect(deleted(namespace, { originalDestination: '203.0.113.1', protocol: 'udp' }, ...more)).toBe(1);
  expect(deleted(namespace, { originalDestination: '203.0.113.2' }, ...more)).toBe(0);
  expect(deleted(namespace, { originalDestination: '203.0.113.1', originalDestinationPort: 80 }, ...more)).toBe(0);
  expect(deleted(namespace, { protocol: 'tcp', originalDestinationPort: 81 }, ...more)).toBe(1);
  track(namespace, 'tcp', 80, '10.0.0.1');
  track(namespace, 'tcp', 80, '10.0.0.2', '--zone', '7');
  const way = { protocol: 'tcp', originalDestinationPort: 80 } as const;
  expect(deleted(namespace, { ...way, replySource: '10.0.0.3' }, ...more)).toBe(0);
  expect(deleted(namespace, { ...way, originalDestinationPort: 81, replySource: '10.0.0.1' }, ...more)).toBe(0);
  expect(deleted(namespace, { ...way, protocol: 'udp', replySource: '10.0.0.1' }, ...more)).toBe(0);
  expect(deleted(namespace, { ...way, replySource: '10.0.0.1' }, { ...way, replySource: '10.0.0.2' }, ...more)).toBe(2);
  expect(shown(namespace)).toEqual([]);
  expect(shown(home)).toHaveLength(4);
});

test.each(ways)('deleteFlows - in a conntrack zone, and IPv6, %s', (_, more) => {
  const namespace = scratch.namespace('z');
  track(namespace, 'tcp', 80, '10.0.0.1', '--zone', '7');
  track(namespace, 'tcp', 80, '10.0.0.1', '--orig-zone', '9');
  const six = ['-s', 'fd00::9', '-d', 'fd00::1', '--reply-src', 'fd00:1::1', '--reply-dst', 'fd00::9'];
  inside(
    namespace,
    'conntrack',
    '-I',
    '-p',
    'udp',
    ...six,
    '--sport',
    '1',
    '--dport',
    '2',
    '--reply-port-src',
    '2',
    '--reply-port-dst',
    '1',
    '-t',
    '600',
  );
  expect(deleted(namespace, { replySource: 'fd00:1::1' }, ...more)).toBe(1);
  expect(inside(namespace, 'conntrack', '-L', '-f', 'ipv6').trim()).toBe('');
  expect(
    listFlows(namespace, {})
      .map(({ zone }) => zone)
      .sort(),
  ).toEqual([0, 7]);
  expect(deleted(namespace, { replySource: '10.0.0.1' }, ...more)).toBe(2);
  expect(shown(namespace)).toEqual([]);
});

test.each(ways)('deleteFlows - thousands, %s', (_, more) => {
  const namespace = scratch.namespace('m');
  const count = 600;
  const script = Array.from(
    { length: count },
    (_, i) => `-I -p udp -s 192.0.2.9 -d 203.0.113.1 --sport ${i + 1} --dport 53 -t 600 -g 10.0.0.1`,
  );
  inside(namespace, 'sh', '-c', script.map((line) => `conntrack ${line} >/dev/null 2>&1`).join('\n'));
  expect(deleted(namespace, { replySource: '10.0.0.1' }, ...more)).toBe(count);
  expect(shown(namespace)).toEqual([]);
  expect(() => deleteFlows(namespace, {})).toThrow('a filter is needed');
});
