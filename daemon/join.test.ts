import { once } from 'node:events';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { silentLogger } from '../lib/log.js';
import { JoinSwarmRequest, NodeDescription } from '../proto/gen/index.js';
import { joinSwarm } from './join.js';

test('what answers at the address and is no manager is named with what it said', async () => {
  const server = createServer((_, response) => response.writeHead(404).end());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const joining = joinSwarm({
    request: JoinSwarmRequest.create({ token: 'SWMTKN-1-x', remoteAddresses: [address] }),
    advertiseAddress: '127.0.0.1',
    dataPathAddress: '127.0.0.1',
    nodeId: 'n',
    credential: new Uint8Array(32),
    description: NodeDescription.create(),
    log: silentLogger,
    signal: AbortSignal.timeout(30_000),
  });
  await expect(joining).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining(`could not reach the manager at ${address} (Received HTTP status code 404)`),
    hint: expect.stringContaining('tsswarmd runs there as a manager'),
  });
});
