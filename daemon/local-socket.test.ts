import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { silentLogger } from '../lib/log.js';
import { RpcServer } from '../proto/rpc/server.js';
import { groupId, listenLocally } from './local-socket.js';

test('groupId - by the whole name', () => {
  const text = 'root:x:0:\ntsswarm-old:x:998:\ntsswarm:x:997:ann\n';
  expect(groupId(text, 'tsswarm')).toBe(997);
  expect(groupId(text, 'docker')).toBeUndefined();
  expect(groupId('tsswarm:x::', 'tsswarm')).toBeUndefined();
});

test('listenLocally - owner and group may use the socket, others may not', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'socket-'));
  const server = new RpcServer(silentLogger);
  onTestFinished(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });
  const socket = path.join(folder, 's.sock');
  await listenLocally(server, socket);
  expect(statSync(socket).mode & 0o777).toBe(0o660);
});
