import { expect, onTestFinished, test } from 'vitest';
import { AsyncQueue } from '../../lib/async.js';
import { ManualClock } from '../../lib/clock.js';
import { unavailable } from '../../lib/errors.js';
import { silentLogger } from '../../lib/log.js';
import {
  Autoscale,
  type HeartbeatRequest,
  HeartbeatResponse,
  NodeState,
  SessionRequest,
  Task,
} from '../../proto/gen/index.js';
import { openTestStore } from '../store/testing.js';
import { VolatileLog } from '../store/volatile-log.js';
import { testCluster, testNode, testService } from '../testing/objects.js';
import { UsageReports } from '../usage/usage-reports.js';
import { Dispatcher } from './dispatcher.js';

/** A log whose disk can be full. */
class FullLog extends VolatileLog {
  isFull = false;

  override async propose(payload: Uint8Array): Promise<number> {
    if (this.isFull) throw unavailable('the log cannot be written');
    return super.propose(payload);
  }
}

/** A dispatcher that leads, with one node. */
async function leading({ period, proposer }: { readonly period: number; readonly proposer?: VolatileLog }) {
  const clock = new ManualClock();
  const store = await openTestStore({ clock, ...(proposer ? { proposer } : {}) });
  const node = testNode('node1');
  await store.update((draft) => [draft.create('cluster', testCluster(period)), draft.create('node', node)]);
  const usage = new UsageReports();
  const dispatcher = new Dispatcher({ store, clock, log: silentLogger, authenticate: () => node, usage });
  const ending = new AbortController();
  const running = dispatcher.run(ending.signal);
  onTestFinished(async () => {
    ending.abort();
    await running;
    await store.stop();
  });
  await clock.advance(0);
  const state = () => store.view().get('node', node.id)?.status.state;
  return { clock, store, node, state, handlers: dispatcher.handlers, signal: ending.signal };
}

test('a new leader - waits for its nodes as long as they need to notice that the last one is without power', async () => {
  const { clock, state } = await leading({ period: 1_000 });
  await clock.advance(14_999);
  expect(state()).toBe(NodeState.UNKNOWN);
  await clock.advance(1);
  expect(state()).toBe(NodeState.DOWN);
});

test('node loss - what could not be written when it was noticed is written when the disk has room again', async () => {
  const log = new FullLog();
  const { clock, state } = await leading({ period: 1_000, proposer: log });
  expect(state()).toBe(NodeState.UNKNOWN);
  log.isFull = true;
  await clock.advance(60_000);
  expect(state()).toBe(NodeState.UNKNOWN);
  log.isFull = false;
  await clock.advance(60_000);
  expect(state()).toBe(NodeState.DOWN);
});

test('session - a node that names no IPv4 address for its tunnels gets none, and others hear nothing of it', async () => {
  const { store, node, handlers, signal } = await leading({ period: 1_000 });
  const context = { signal, peer: 'ipv4:203.0.113.2:40000', credential: undefined, requestId: '' };
  const request = SessionRequest.create({ dataPathAddress: 'fd00::2' });
  const session = handlers.session(request, context)[Symbol.asyncIterator]();
  await expect(session.next()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', value: 'fd00::2' });
  expect(store.view().get('node', node.id)?.dataPathAddress).toBe(node.dataPathAddress);
});

/** One whose node has a connection that brings what the test says. */
async function led() {
  const { clock, store, node, state, handlers, signal } = await leading({ period: 5_000 });
  const connection = { bytes: 100, pings: true };
  const ping = () => {
    if (connection.pings) connection.bytes += 17;
    clock.after(5_000, ping);
  };
  clock.after(5_000, ping);
  const received = () => connection.bytes;
  const open = (pingPeriod: number) => {
    const call = new AbortController();
    onTestFinished(() => call.abort());
    const context = { signal: call.signal, peer: '203.0.113.2:40000', credential: undefined, requestId: '', received };
    const request = SessionRequest.create({ dataPathAddress: '203.0.113.2', pingPeriod });
    const messages = handlers.session(request, context)[Symbol.asyncIterator]();
    return { messages, hangUp: () => call.abort() };
  };
  const beats = new AsyncQueue<HeartbeatRequest>();
  const context = { signal, peer: '203.0.113.2:40000', credential: undefined, requestId: '' };
  const answers = handlers.heartbeat(beats, context)[Symbol.asyncIterator]();
  const beat = async (sessionId: string) => {
    beats.push({ sessionId, usage: [] });
    const { value } = await answers.next();
    return HeartbeatResponse.create(value ?? {});
  };
  return { clock, store, node, connection, open, beat, state };
}

test('heartbeats - few are asked of a node whose connection pings, which is up for as long as it does', async () => {
  const { clock, connection, open, state } = await led();
  const { messages } = open(5_000);
  expect((await messages.next()).value).toMatchObject({ heartbeatPeriod: 120_000, measuredServices: [] });
  await clock.advance(300_000);
  expect(state()).toBe(NodeState.READY);
  connection.pings = false;
  await clock.advance(12_000);
  expect(state()).toBe(NodeState.READY);
  await clock.advance(3_001);
  expect(state()).toBe(NodeState.DOWN);
});

test.each([0, 5_001])('heartbeats - each is asked of a node whose connection pings at %d ms', async (pingPeriod) => {
  const { clock, open, state } = await led();
  const { messages } = open(pingPeriod);
  expect((await messages.next()).value).toMatchObject({ heartbeatPeriod: 5_000 });
  await clock.advance(15_001);
  expect(state()).toBe(NodeState.DOWN);
});

test('heartbeats - a connection that goes on says nothing when the session’s stream has ended', async () => {
  const { clock, open, state } = await led();
  const { messages, hangUp } = open(5_000);
  await messages.next();
  await clock.advance(60_000);
  hangUp();
  await clock.advance(15_001);
  expect(state()).toBe(NodeState.DOWN);
});

test('heartbeats - come at the cluster’s period as soon as a task on the node is to be measured', async () => {
  const { store, node, open } = await led();
  const { messages } = open(5_000);
  await messages.next();
  const web = testService('web', 1, { autoscale: Autoscale.create({ min: 1, max: 2 }) });
  await store.update((draft) => draft.create('service', web));
  const told = messages.next();
  await store.update((draft) => draft.create('task', Task.create({ id: 'task', serviceId: web.id, nodeId: node.id })));
  expect((await told).value).toMatchObject({ heartbeatPeriod: 5_000, measuredServices: [web.id] });
  const again = messages.next();
  await store.update((draft) => draft.remove('task', 'task'));
  expect((await again).value).toMatchObject({ heartbeatPeriod: 120_000, measuredServices: [] });
});

test('heartbeats - where the period becomes shorter than that of pings, each is asked for, and a node that sends them is up', async () => {
  const { clock, store, open, beat, state } = await led();
  const { messages } = open(5_000);
  const first = (await messages.next()).value;
  const told = messages.next();
  await store.update((draft) => {
    const [cluster] = draft.list('cluster');
    if (cluster) draft.update('cluster', { ...cluster, spec: { ...cluster.spec, dispatcherHeartbeat: 1e9 } });
  });
  expect((await told).value).toMatchObject({ heartbeatPeriod: 1_000 });
  for (let i = 0; i < 20; i++) {
    const { period } = await beat(first?.sessionId ?? '');
    expect(period).toBeLessThanOrEqual(1_100);
    await clock.advance(1_000);
  }
  expect(state()).toBe(NodeState.READY);
  await clock.advance(3_001);
  expect(state()).toBe(NodeState.DOWN);
});
