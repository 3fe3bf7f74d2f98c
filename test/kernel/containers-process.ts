/** A machine's engine alone, in no swarm, with its containers' API on a socket, for tests that kill it. */

import { rm } from 'node:fs/promises';
import { ContainersService } from '../../proto/gen/index.js';
import { RpcServer } from '../../proto/rpc/server.js';
import { containersHandlers } from '../../worker/containers/handlers.js';
import type { ContainersProcessOptions } from './containers-fixture.js';
import { openEngine } from './engine.js';

const options = JSON.parse(process.argv[2] ?? '') as ContainersProcessOptions;
const { log, images, engine } = await openEngine(options, 'containers');
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
const server = new RpcServer(log);
server.add(
  ContainersService,
  containersHandlers(async () => (await engine.ready()).containers),
);
await rm(options.socket, { force: true });
await server.listen(`unix://${options.socket}`);
const running = engine.run(stop.signal);
await engine.setSwarm(undefined);
await running;
server.close();
await images.close();
