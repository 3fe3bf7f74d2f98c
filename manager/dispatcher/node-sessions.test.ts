import { expect, onTestFinished, test } from 'vitest';
import { ManualClock } from '../../lib/clock.js';
import { unavailable } from '../../lib/errors.js';
import { silentLogger } from '../../lib/log.js';
import { NodeState, SessionRequest } from '../../proto/gen/index.js';
import { openTestStore } from '../store/testing.js';
import { VolatileLog } from '../store/volatile-log.js';
import { testCluster, testNode } from '../testing/objects.js';
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

test('node loss - what could not be written when it was noticed is written when the disk has room again', async () => {
  const clock = new ManualClock();
  const log = new FullLog();
  const store = await openTestStore({ clock, proposer: log });
  const node = testNode('node1');
  await store.update((draft) => [draft.create('cluster', testCluster(1_000)), draft.create('node', node)]);
  const dispatcher = new Dispatcher({
    store,
    clock,
    log: silentLogger,
    authenticate: () => node,
    usage: new UsageReports(),
  });
  const ending = new AbortController();
  const running = dispatcher.run(ending.signal);
  onTestFinished(async () => {
    ending.abort();
    await running;
    await store.stop();
  });
  const state = () => store.view().get('node', node.id)?.status.state;
  await clock.advance(0);
  expect(state()).toBe(NodeState.UNKNOWN);
  log.isFull = true;
  await clock.advance(60_000);
  expect(state()).toBe(NodeState.UNKNOWN);
  log.isFull = false;
  await clock.advance(60_000);
  expect(state()).toBe(NodeState.DOWN);
});

test('session - a node that names no IPv4 address for its tunnels gets none, and others hear nothing of it', async () => {
  const store = await openTestStore();
  const node = testNode('node1');
  await store.update((draft) => [draft.create('cluster', testCluster(1_000)), draft.create('node', node)]);
  const clock = new ManualClock();
  const dispatcher = new Dispatcher({
    store,
    clock,
    log: silentLogger,
    authenticate: () => node,
    usage: new UsageReports(),
  });
  const ending = new AbortController();
  const running = dispatcher.run(ending.signal);
  onTestFinished(async () => {
    ending.abort();
    await running;
    await store.stop();
  });
  await clock.advance(0);
  const context = { signal: ending.signal, peer: 'ipv4:203.0.113.2:40000', credential: undefined, requestId: '' };
  const request = SessionRequest.create({ dataPathAddress: 'fd00::2' });
  const session = dispatcher.handlers.session(request, context)[Symbol.asyncIterator]();
  await expect(session.next()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', value: 'fd00::2' });
  expect(store.view().get('node', node.id)?.dataPathAddress).toBe(node.dataPathAddress);
});
