import { expect, test } from 'vitest';
import { parseListeners } from './listeners.js';

const HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const INODE = 4711;
const line = (local: string, state: string) =>
  `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 ${INODE} 1`;

test('listeners of /proc/net/tcp - up to the first connection', () => {
  const lines = [
    HEAD,
    line('00000000:0016', '0A'),
    line('0100007F:0CEA', '0A'),
    line('0100007F:0050', '01'),
    line('00000000:0051', '0A'),
  ];
  expect(parseListeners('tcp', lines)).toEqual([
    { protocol: 'tcp', family: 4, address: '', port: 22, inode: INODE },
    { protocol: 'tcp', family: 4, address: '127.0.0.1', port: 3306, inode: INODE },
  ]);
});

test('listeners of /proc/net/tcp6 - of one family or both', () => {
  const lines = [
    HEAD,
    line(`${'0'.repeat(32)}:0016`, '0A'),
    line('0000000000000000FFFF0000010200C0:0050', '0A'),
    line('00000000000000000000000001000000:0051', '0A'),
  ];
  expect(parseListeners('tcp', lines)).toEqual([
    { protocol: 'tcp', family: 4, address: '', port: 22, inode: INODE },
    { protocol: 'tcp', family: 6, address: '', port: 22, inode: INODE },
    { protocol: 'tcp', family: 4, address: '192.0.2.1', port: 80, inode: INODE },
    { protocol: 'tcp', family: 6, address: '::1', port: 81, inode: INODE },
  ]);
});

test('listeners of /proc/net/udp - those that are not connected', () => {
  expect(parseListeners('udp', [HEAD, line('0100007F:1000', '01'), line('00000000:0035', '07')])).toEqual([
    { protocol: 'udp', family: 4, address: '', port: 53, inode: INODE },
  ]);
});
