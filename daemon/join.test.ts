import { once } from 'node:events';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { unavailable } from '../lib/errors.js';
import { silentLogger } from '../lib/log.js';
import { JoinService, JoinSwarmRequest, NodeDescription } from '../proto/gen/index.js';
import { RpcServer } from '../proto/rpc/server.js';
import { joinSwarm } from './join.js';

const joinAt = (...remoteAddresses: string[]) =>
  joinSwarm({
    request: JoinSwarmRequest.create({ token: 'SWMTKN-1-x', remoteAddresses }),
    advertiseAddress: '127.0.0.1',
    dataPathAddress: '127.0.0.1',
    nodeId: 'n',
    credential: new Uint8Array(32),
    description: NodeDescription.create(),
    log: silentLogger,
    signal: AbortSignal.timeout(30_000),
  });

test('what answers at the address and is no manager is named with what it said', async () => {
  const server = createServer((_, response) => response.writeHead(404).end());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  await expect(joinAt(address)).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining(`could not reach the manager at ${address} (Received HTTP status code 404)`),
    hint: expect.stringContaining('tsswarmd runs there as a manager'),
  });
});

test('a manager that answers and cannot let anybody in says why, and nobody is told to look for a firewall', async () => {
  const server = new RpcServer(silentLogger);
  onTestFinished(() => server.close());
  server.add(JoinService, {
    joinSwarm: () => Promise.reject(unavailable('no leader: 2 of 3 are missing', { hint: 'Start them again.' })),
    leaveSwarm: () => Promise.reject(new Error('nobody leaves')),
    becomeManager: () => Promise.reject(new Error('nobody becomes a manager')),
  });
  const address = `127.0.0.1:${await server.listen('127.0.0.1:0')}`;
  await expect(joinAt('127.0.0.1:9', address)).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: `the manager at ${address} cannot let this machine in now: no leader: 2 of 3 are missing`,
    value: address,
    hint: 'Start them again.',
  });
});
