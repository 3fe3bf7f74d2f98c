import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { silentLogger } from '../lib/log.js';
import {
  ControlService,
  CopyFromRequest,
  CopyToRequest,
  GetRequest,
  ListNodesRequest,
  TaskAccessService,
  WatchRequest,
} from '../proto/gen/index.js';
import { Channel, type Stubs } from '../proto/rpc/client.js';
import { type Handlers, RpcServer } from '../proto/rpc/server.js';
import { type ControlSource, controlGate, taskAccessGate } from './control-gate.js';

/** A node whose role the test changes. */
class Source implements ControlSource {
  joined = false;
  control: Handlers<typeof ControlService> | undefined;
}

const source = new Source();
let folder: string;
let server: RpcServer;
let channel: Channel;
let control: Stubs<typeof ControlService>;

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'tsswarm-gate-'));
  server = new RpcServer(silentLogger);
  server.add(ControlService, controlGate(source));
  server.add(TaskAccessService, taskAccessGate(source));
  await server.listen(`unix://${folder}/s`);
  channel = new Channel(`unix://${folder}/s`);
  control = channel.stubs(ControlService);
});
afterEach(() => {
  channel.close();
  server.close();
  rmSync(folder, { recursive: true });
});

const watched = async () => {
  for await (const message of control.watch(WatchRequest.create())) return message;
  return undefined;
};

test('controlGate - outside of a swarm: how to get into one', async () => {
  const words = 'Use "tsswarm init" or "tsswarm join" to connect this node to swarm and try again.';
  await expect(control.listNodes(ListNodesRequest.create())).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  await expect(control.getNode(GetRequest.create())).rejects.toThrow(words);
  await expect(watched()).rejects.toThrow(words);
});

test('controlGate - on a worker: to a manager', async () => {
  source.joined = true;
  await expect(control.listNodes(ListNodesRequest.create())).rejects.toThrow(
    "Worker nodes can't be used to view or modify cluster state.",
  );
  await expect(watched()).rejects.toThrow('Please run this command on a manager node');
});

test('controlGate - once it is a manager, the manager’s own answers, without a new connection', async () => {
  source.joined = true;
  await expect(control.listNodes(ListNodesRequest.create())).rejects.toThrow('not a swarm manager');
  source.control = {
    ...controlGate(source),
    listNodes: async () => ({ nodes: [] }),
    async *watch() {
      yield { events: [], synced: true, version: 7 };
    },
  };
  expect(await control.listNodes(ListNodesRequest.create())).toEqual({ nodes: [] });
  expect(await watched()).toMatchObject({ synced: true, version: 7 });
});

test('taskAccessGate - on a worker: to a manager, whatever the kind of call', async () => {
  source.joined = true;
  const access = channel.stubs(TaskAccessService);
  const copied = (async function* () {
    yield CopyToRequest.create();
  })();
  await expect(access.copyTo(copied)).rejects.toThrow('not a swarm manager');
  const reading = async () => {
    for await (const _ of access.copyFrom(CopyFromRequest.create()));
  };
  await expect(reading()).rejects.toThrow('not a swarm manager');
});
