import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, expect, test } from 'vitest';
import { listenersByDiag, listenersByFile, readListeners } from '../../netlb/kernel/listeners.js';
import { Scratch } from './kernel-scratch.js';

const scratch = new Scratch();
afterAll(() => scratch.close());

/** Listens on port 1001 and up, and keeps a connection to the first. */
const PROGRAM = `
const net = require('node:net');
const ends = [['0.0.0.0'], ['127.0.0.1'], ['::'], ['::', { ipv6Only: true }], ['::1'], ['::ffff:127.0.0.1']];
const all = ends.map(([host, more], i) => new Promise((done) => {
  const server = net.createServer(() => undefined);
  server.listen({ host, port: 1001 + i, ...more }, () => done());
}));
Promise.all(all).then(() => net.connect(1001, '127.0.0.1', () => console.log('ready')));
`;

test('TCP sockets that wait - are told by inet_diag as by /proc/net/tcp, and those of IPv6 alone as such', async () => {
  const namespace = scratch.namespace('listeners');
  const enter = [`--net=${namespace.path}`, 'sh', '-ec', 'ip link set lo up; exec "$0" "$@"'];
  const child = spawn('nsenter', [...enter, process.execPath, '-e', PROGRAM], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await once(child.stdout, 'data');
    const inWords = (sockets: ReturnType<typeof readListeners>) =>
      sockets.map(
        ({ protocol, port, family, address, inode }) => `${protocol} ${port} ${family} ${address} ${inode > 0}`,
      );
    const byFile = inWords(listenersByFile(namespace, 'tcp'));
    const byDiag = inWords(listenersByDiag(namespace) ?? []);
    expect(new Set(byDiag)).toEqual(new Set(byFile.filter((words) => !words.startsWith('tcp 1004 4 '))));
    expect(new Set(byDiag)).toEqual(
      new Set([
        'tcp 1001 4  true',
        'tcp 1002 4 127.0.0.1 true',
        'tcp 1003 4  true',
        'tcp 1003 6  true',
        'tcp 1004 6  true',
        'tcp 1005 6 ::1 true',
        'tcp 1006 4 127.0.0.1 true',
      ]),
    );
    expect(inWords(readListeners(namespace))).toEqual(byDiag);
  } finally {
    child.kill();
    await once(child, 'close');
  }
});
