import { expect, test } from 'vitest';
import { destination } from './trace.js';

test.each([
  ['api', 'api', 0, ''],
  ['api:80', 'api', 80, ''],
  ['api:53/udp', 'api', 53, 'udp'],
  ['api/icmp', 'api', 0, 'icmp'],
  ['10.0.1.5:80/tcp', '10.0.1.5', 80, 'tcp'],
  ['fd00::5', 'fd00::5', 0, ''],
  ['[fd00::5]:80', 'fd00::5', 80, ''],
  ['node:node2', 'node:node2', 0, ''],
  ['node:node2:8080', 'node:node2', 8080, ''],
  ['web.1.abc:80', 'web.1.abc', 80, ''],
])('destination - %s', (text, to, port, protocol) => {
  expect(destination(text)).toEqual({ to, port, protocol });
});

test.each(['', ':80', 'node:', 'api:70000', 'a:b:c'])('destination - "%s" is refused', (text) => {
  expect(() => destination(text)).toThrow(`"${text}" is not a destination`);
});
