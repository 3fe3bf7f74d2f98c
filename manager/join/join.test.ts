import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ManualClock } from '../../lib/clock.js';
import { newId } from '../../lib/ids.js';
import { silentLogger } from '../../lib/log.js';
import {
  ControlService,
  CreateServiceRequest,
  JoinRequest,
  JoinService,
  ListNodesRequest,
  NodeDescription,
  NodeRole,
  NodeState,
  UpdateClusterRequest,
} from '../../proto/gen/index.js';
import { Channel } from '../../proto/rpc/client.js';
import { RpcServer } from '../../proto/rpc/server.js';
import { controlHandlers } from '../control/handlers.js';
import { openControl, specOf } from '../control/testing.js';
import { testRoster } from '../testing/sole-member.js';
import { authenticate } from './authenticate.js';
import { joinHandlers } from './handlers.js';

let folder: string;
let stop: () => void = () => {};
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'join-'));
});
afterEach(() => {
  stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A manager's Control and Join behind a real server on a unix socket. */
async function serve() {
  const { store } = await openControl();
  const clock = new ManualClock();
  const server = new RpcServer(silentLogger);
  const managers = testRoster(store);
  const logs = { read: () => expect.fail('not asked for') };
  server.add(ControlService, controlHandlers(store, { clock, managers, logs }));
  server.add(JoinService, joinHandlers({ store, clock, log: silentLogger, managers }));
  const target = `unix://${path.join(folder, 'manager.sock')}`;
  await server.listen(target);
  const channel = new Channel(target);
  stop = () => {
    channel.close();
    server.close();
  };
  const control = channel.stubs(ControlService);
  const join = channel.stubs(JoinService);
  const request = (fields: Partial<JoinRequest>) =>
    JoinRequest.create({
      advertiseAddress: '203.0.113.2:2377',
      description: NodeDescription.create({ hostname: 'worker1' }),
      ...fields,
    });
  const { cluster } = await control.getCluster({});
  return { store, target, control, join, request, tokens: cluster.joinTokens };
}

test('join - a worker token makes a node whose credential is its own', async () => {
  const { store, control, join, request, tokens } = await serve();
  const answer = await join.joinSwarm(request({ token: tokens.worker }));
  expect(answer).toMatchObject({ role: NodeRole.WORKER, managers: ['203.0.113.1:2377'], dataPathPort: 4789 });
  expect(answer.credential).toHaveLength(32);
  const { nodes } = await control.listNodes(ListNodesRequest.create());
  expect(nodes.map((node) => node.description.hostname).sort()).toEqual(['node1', 'worker1']);
  const claim = { nodeId: answer.nodeId, secret: answer.credential };
  expect(authenticate(store, { credential: claim })).toMatchObject({
    id: answer.nodeId,
    dataPathAddress: '203.0.113.2',
    status: { address: '203.0.113.2' },
  });
});

test('join - tells a malformed token, one of another swarm, and a replaced one apart', async () => {
  const { control, join, request, tokens } = await serve();
  const other = tokens.worker.replace(/-1-./, (match) => `-1-${match.endsWith('0') ? '1' : '0'}`);
  const { cluster } = await control.getCluster({});
  await control.updateCluster(
    UpdateClusterRequest.create({ version: cluster.meta.version, spec: cluster.spec, rotateWorkerToken: true }),
  );
  for (const [token, message] of [
    ['', 'the join token is malformed'],
    ['SWMTKN-1-abc', 'the join token is malformed'],
    [other, 'the join token is of another swarm'],
    [tokens.worker, 'the join token is not valid any more: it has been replaced by a new one'],
  ]) {
    await expect(join.joinSwarm(request({ token: token ?? '' }))).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      message,
    });
  }
});

test('join - the manager token makes a manager, which then gets its place in the group', async () => {
  const { store, target, join, request, tokens } = await serve();
  const { nodeId, credential, role } = await join.joinSwarm(request({ token: tokens.manager }));
  expect(role).toBe(NodeRole.MANAGER);
  const channel = new Channel(target, { nodeId, secret: credential });
  try {
    const place = await channel.stubs(JoinService).becomeManager({ address: '203.0.113.2:2377' });
    expect(place).toMatchObject({ group: 'test', peers: [{ raftId: 1, address: '203.0.113.1:2377' }] });
    expect(store.view().get('node', nodeId)?.managerStatus).toMatchObject({
      raftId: place.raftId,
      address: '203.0.113.2:2377',
    });
  } finally {
    channel.close();
  }
});

test('join - a worker gets no place among the managers', async () => {
  const { target, join, request, tokens } = await serve();
  const { nodeId, credential } = await join.joinSwarm(request({ token: tokens.worker }));
  const channel = new Channel(target, { nodeId, secret: credential });
  try {
    await expect(channel.stubs(JoinService).becomeManager({ address: '203.0.113.2:2377' })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: 'node worker1 is not to be a manager',
    });
  } finally {
    channel.close();
  }
});

test('join - asked twice by a machine that has chosen its id, there is one node', async () => {
  const { control, join, request, tokens } = await serve();
  const chosen = { nodeId: newId(), credential: Buffer.alloc(32, 7) };
  const once = request({ token: tokens.worker, ...chosen });
  expect(await join.joinSwarm(once)).toMatchObject({ nodeId: chosen.nodeId });
  expect(await join.joinSwarm(once)).toMatchObject({ nodeId: chosen.nodeId });
  expect((await control.listNodes(ListNodesRequest.create())).nodes).toHaveLength(2);
});

test.each([
  ['worker1:2377', 'worker1'],
  ['[2001:db8::7]:2377', '2001:db8::7'],
])('join - a data path that is no IPv4 address is refused: %s', async (advertiseAddress, value) => {
  const { join, request, tokens } = await serve();
  const named = request({ token: tokens.worker, advertiseAddress });
  await expect(join.joinSwarm(named)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', value });
});

test('join - a credential that the node brings along is taken at full length only', async () => {
  const { join, request, tokens } = await serve();
  const weak = request({ token: tokens.worker, nodeId: 'unknown', credential: Uint8Array.of(1) });
  expect((await join.joinSwarm(weak)).credential).toHaveLength(32);
});

test('re-join - with its credential a node stays itself; with another it is refused; removed, it has to ask again', async () => {
  const { control, join, request, tokens } = await serve();
  const { nodeId, credential } = await join.joinSwarm(request({ token: tokens.worker }));
  const again = request({ token: tokens.worker, nodeId, credential, dataPathAddress: '203.0.113.9' });
  expect(await join.joinSwarm(again)).toMatchObject({ nodeId });
  const forged = { ...again, credential: Buffer.alloc(32) };
  await expect(join.joinSwarm(forged)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  await control.removeNode({ ref: nodeId, force: true });
  expect(await join.joinSwarm(again)).toMatchObject({ nodeId, role: NodeRole.WORKER });
});

test('leave - the node is down and its credential is worth nothing', async () => {
  const { store, target, control, join, request, tokens } = await serve();
  const { nodeId, credential } = await join.joinSwarm(request({ token: tokens.worker }));
  await expect(join.leaveSwarm({})).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  const channel = new Channel(target, { nodeId, secret: credential });
  try {
    await channel.stubs(JoinService).leaveSwarm({});
    await expect(channel.stubs(JoinService).leaveSwarm({})).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
  } finally {
    channel.close();
  }
  const { node } = await control.getNode({ ref: nodeId });
  expect(node.status).toMatchObject({ state: NodeState.DOWN, message: 'the node has left the swarm' });
  expect(() => authenticate(store, { credential: undefined })).toThrow('needs the credential of a node');
});

test('control - errors keep their code, value and hint on the way', async () => {
  const { control } = await serve();
  const spec = specOf({ name: '-web' });
  await expect(control.createService(CreateServiceRequest.create({ spec }))).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: '"-web" is not a name for a service',
    value: '-web',
    hint: expect.stringContaining('letters, digits'),
  });
});
