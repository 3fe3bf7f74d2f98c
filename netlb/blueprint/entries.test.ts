import { expect, test } from 'vitest';
import type { PublishedPort } from '../state.js';
import { withEntries } from './entries.js';
import { portAtKey } from './ports.js';

const port = (published: number, hostAddress = '', protocol: PublishedPort['protocol'] = 'tcp'): PublishedPort => ({
  protocol,
  published,
  target: 80,
  hostAddress,
  backends: [],
});
const entries = (ports: readonly PublishedPort[], current: readonly (readonly [PublishedPort, number])[] = []) =>
  withEntries(ports, new Map(current.map(([of, entry]) => [portAtKey({ ...of }), entry]))).map(({ entry }) => entry);

const [a, b] = [port(80, '192.0.2.1'), port(80, '192.0.2.2')];

test('a port enters by its own number unless another on the same protocol does', () => {
  expect(entries([port(80), port(81, '192.0.2.1'), port(81, '192.0.2.1', 'udp')])).toEqual([80, 81, 81]);
  expect(entries([a, b])).toEqual([80, 65_535]);
  expect(entries([port(65_535), a, b])).toEqual([65_535, 80, 65_534]);
});

test('an entry stays while others come and go, but not in the way of a port of all addresses', () => {
  expect(entries([b], [[b, 65_535]])).toEqual([65_535]);
  expect(entries([a, b], [[b, 80]])).toEqual([65_535, 80]);
  expect(entries([port(80), b], [[b, 80]])).toEqual([80, 65_535]);
});
