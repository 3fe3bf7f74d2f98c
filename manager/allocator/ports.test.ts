import { expect, test } from 'vitest';
import { PortConfig } from '../../proto/gen/index.js';
import { FIRST_DYNAMIC_PORT, PortTable } from './ports.js';

const port = (publishedPort: number, hostIp = '') => PortConfig.create({ publishedPort, targetPort: 80, hostIp });

test('a port is one service’s on each address, or one’s on all', () => {
  const table = new PortTable();
  expect(table.claim('a', port(80, '192.0.2.1'))).toBe(true);
  expect(table.claim('a', port(80, '192.0.2.1'))).toBe(true);
  expect(table.claim('b', port(80, '192.0.2.2'))).toBe(true);
  expect(table.claim('c', port(80))).toBe(false);
  expect(table.claim('c', port(80, '192.0.2.2'))).toBe(false);
  expect(table.owner('c', port(80, '192.0.2.2'))).toBe('b');
  expect(table.claim('a', port(80))).toBe(false);
});

test('what is released is free, and no more than that', () => {
  const table = new PortTable();
  for (const claimed of [port(80, '192.0.2.1'), port(80, '192.0.2.2'), port(81)]) table.claim('a', claimed);
  expect(table.release('a', [port(80, '192.0.2.2'), port(81)])).toBe(true);
  expect(table.release('a', [port(80, '192.0.2.2'), port(81)])).toBe(false);
  expect(table.claim('b', port(80, '192.0.2.1'))).toBe(true);
  expect(table.owner('b', port(80, '192.0.2.2'))).toBe('a');
  table.release('b');
  table.release('a');
  expect(table.claim('c', port(80))).toBe(true);
});

test('a port is given that nobody has on any address', () => {
  const table = new PortTable();
  table.claim('a', port(FIRST_DYNAMIC_PORT, '192.0.2.1'));
  expect(table.assign('b', port(0, '192.0.2.2'))).toBe(FIRST_DYNAMIC_PORT + 1);
});
