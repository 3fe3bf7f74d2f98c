import { expect, test } from 'vitest';
import { parseUdpSockets } from './udp-sockets.js';

const table = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 4972: 00000000:12B5 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1747738 2 000000009c608f8f 0
 4973: 0100007F:0035 0100007F:12B5 01 00000000:00000000 00:00000000 00000000     0        0 1747739 2 000000009c608f8e 0
`;

test('UDP sockets - those whose own port it is', () => {
  expect(parseUdpSockets(table, 4789)).toEqual([1747738]);
  expect(parseUdpSockets(table, 53)).toEqual([1747739]);
  expect(parseUdpSockets('', 4789)).toEqual([]);
});
