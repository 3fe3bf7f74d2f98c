/**
 * The thread in which all resolvers of a node run: a flood of queries delays no heartbeat, and a busy event loop
 * of the daemon delays no answer. It makes none of the sockets that it answers on; they outlive it.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../../lib/errors.js';
import { Forwarder } from './forwarder.js';
import type { Command, Done, Request, ThreadData } from './protocol.js';
import { newBatch, SandboxServer, type Shared } from './sandbox-server.js';
import { NodeServers, ServerOrder } from './servers.js';
import { ZoneIndex } from './zone-index.js';

const shared: Shared = {
  batch: newBatch(),
  forwarder: new Forwarder(),
  nodeServers: new NodeServers((workerData as ThreadData).nodeResolvConf),
  nodeOrder: new ServerOrder(),
};
const servers = new Map<string, SandboxServer>();
const zones = new Map<string, ZoneIndex>();

parentPort?.on('message', ({ sequence, commands }: Request) => {
  const failures: { sandbox: string; message: string }[] = [];
  for (const command of commands) {
    try {
      perform(command);
    } catch (error) {
      if (!('sandbox' in command)) throw error;
      failures.push({ sandbox: command.sandbox, message: messageOf(error) });
    }
  }
  if (commands.length > 0) linkZones();
  parentPort?.postMessage({ sequence, failures } satisfies Done);
});

function perform(command: Command): void {
  switch (command.kind) {
    case 'open':
      servers.set(command.sandbox, new SandboxServer(command.sockets, command.resolver, shared));
      return;
    case 'configure':
      servers.get(command.sandbox)?.configure(command.resolver);
      return;
    case 'close':
      servers.get(command.sandbox)?.close();
      servers.delete(command.sandbox);
      return;
    case 'change-zone': {
      const zone = zones.get(command.change.id) ?? new ZoneIndex();
      zone.apply(command.change);
      zones.set(command.change.id, zone);
      return;
    }
    case 'remove-zone':
      zones.delete(command.id);
  }
}

function linkZones(): void {
  for (const server of servers.values())
    server.zones = server.zoneIds.map((id) => zones.get(id)).filter((zone) => zone !== undefined);
}
