import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AsyncQueue } from '../../lib/async.js';
import { ManualClock } from '../../lib/clock.js';
import { newId } from '../../lib/ids.js';
import { silentLogger } from '../../lib/log.js';
import {
  LogBatch,
  LogBrokerService,
  LogLine,
  LogOptions,
  type LogSubscription,
  LogsRequest,
  Node,
  NodeDescription,
  NodeState,
  PublishLogsRequest,
  Service,
  ServiceSpec,
  Task,
  TaskState,
  TaskStatus,
} from '../../proto/gen/index.js';
import { Channel } from '../../proto/rpc/client.js';
import { RpcServer } from '../../proto/rpc/server.js';
import { authenticate } from '../join/authenticate.js';
import { sha256 } from '../join/tokens.js';
import { openTestStore } from '../store/testing.js';
import { LogBroker } from './broker.js';
import { FanIn } from './fan-in.js';
import { LogReader } from './reader.js';

let folder: string;
const cleanups: (() => void)[] = [];
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'logs-'));
});
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
  rmSync(folder, { recursive: true, force: true });
});

const SERVICE = newId();

async function serve() {
  const clock = new ManualClock();
  const store = await openTestStore({ clock });
  const broker = new LogBroker({ store, clock, authenticate: (context) => authenticate(store, context) });
  const end = new AbortController();
  void broker.run(end.signal);
  const server = new RpcServer(silentLogger);
  server.add(LogBrokerService, broker.handlers());
  const target = `unix://${path.join(folder, 'manager.sock')}`;
  await server.listen(target);
  cleanups.push(
    () => end.abort(),
    () => server.close(),
  );
  await store.update((draft) =>
    draft.create('service', Service.create({ id: SERVICE, spec: ServiceSpec.create({ name: 'web' }) })),
  );
  const addNode = (hostname: string, state: NodeState = NodeState.READY) => {
    const secret = Buffer.from(hostname);
    const node = Node.create({
      id: newId(),
      description: NodeDescription.create({ hostname }),
      credentialDigest: sha256(secret),
    });
    const connect = () => connectNode(target, { nodeId: node.id, secret });
    return store
      .update((draft) => draft.create('node', { ...node, status: { ...node.status, state } }))
      .then(() => ({ id: node.id, connect }));
  };
  const addTask = async (nodeId: string) => {
    const status = TaskStatus.create({ state: TaskState.RUNNING });
    const task = Task.create({ id: newId(), serviceId: SERVICE, serviceName: 'web', slot: 1, nodeId, status });
    await store.update((draft) => draft.create('task', task));
    return task.id;
  };
  const reader = new LogReader(store, broker);
  const read = (options: Partial<LogOptions> = {}) => {
    const controller = new AbortController();
    const request = LogsRequest.create({ service: 'web', options: LogOptions.create(options) });
    return { lines: lines(reader.read(request, controller.signal)), stop: () => controller.abort() };
  };
  return { clock, store, addNode, addTask, read };
}

/** A node's side of the protocol. */
function connectNode(target: string, credential: { nodeId: string; secret: Uint8Array }) {
  const channel = new Channel(target, credential);
  const end = new AbortController();
  cleanups.push(() => {
    end.abort();
    channel.close();
  });
  const stubs = channel.stubs(LogBrokerService);
  const subscriptions = stubs.subscriptions({ sessionId: '' }, { signal: end.signal })[Symbol.asyncIterator]();
  const next = async (): Promise<LogSubscription> => (await subscriptions.next()).value;
  const publish = ({ id, taskId }: LogSubscription) => {
    const messages = new AsyncQueue<PublishLogsRequest>();
    const answer = stubs.publish(messages);
    answer.catch(() => undefined);
    const say = (text: string) => {
      const batch = LogBatch.create({ taskId, lines: [LogLine.create({ data: Buffer.from(text) })] });
      messages.push(PublishLogsRequest.create({ subscriptionId: id, batch }));
    };
    const done = (error = '') => {
      messages.push(PublishLogsRequest.create({ subscriptionId: id, done: true, error }));
      messages.end();
    };
    return { say, done, answer };
  };
  return { next, publish, disconnect: () => end.abort() };
}

async function* lines(batches: AsyncIterable<LogBatch>): AsyncGenerator<string> {
  for await (const batch of batches) for (const line of batch.lines) yield Buffer.from(line.data).toString();
}

async function all(source: AsyncIterable<string>): Promise<string[]> {
  const found: string[] = [];
  for await (const line of source) found.push(line);
  return found.sort();
}

test('logs - lines of all nodes come together; a node that is down is said so', async () => {
  const { addNode, addTask, read } = await serve();
  const [a, b, down] = [await addNode('a'), await addNode('b'), await addNode('c', NodeState.DOWN)];
  for (const node of [a, b, down]) await addTask(node.id);
  const result = all(read({ tail: 5 }).lines);
  for (const [name, node] of [
    ['a', a.connect()],
    ['b', b.connect()],
  ] as const) {
    const subscription = await node.next();
    expect(subscription.options).toMatchObject({ tail: 5, stdout: true, stderr: true });
    const log = node.publish(subscription);
    log.say(`${name} 1`);
    log.say(`${name} 2`);
    log.done();
    await log.answer;
  }
  expect(await result).toEqual(['a 1', 'a 2', 'b 1', 'b 2', 'node c is down: its logs cannot be read\n']);
});

test('logs - the error of one task is a line, the others go on', async () => {
  const { addNode, addTask, read } = await serve();
  const a = await addNode('a');
  await addTask(a.id);
  await addTask(a.id);
  const result = all(read().lines);
  const node = a.connect();
  const [bad, good] = [node.publish(await node.next()), node.publish(await node.next())];
  bad.done('the log is gone');
  await bad.answer;
  good.say('hello');
  good.done();
  expect(await result).toEqual(['hello', 'the log is gone\n']);
});

test("follow - tasks that come later are read too; the reader's end closes the subscription", async () => {
  const { addNode, addTask, read } = await serve();
  const a = await addNode('a');
  const node = a.connect();
  await addTask(a.id);
  const { lines: following, stop } = read({ follow: true, tail: 0 });
  const first = following.next();
  const one = await node.next();
  node.publish(one).say('one');
  expect((await first).value).toBe('one');
  const second = following.next();
  const late = await addTask(a.id);
  const two = await node.next();
  expect(two).toMatchObject({ taskId: late, options: { follow: true, tail: undefined } });
  node.publish(two).say('two');
  expect((await second).value).toBe('two');
  stop();
  expect((await following.next()).done).toBe(true);
  const closed = [await node.next(), await node.next()];
  expect(closed.map((s) => [s.id, s.close]).sort()).toEqual(
    [
      [one.id, true],
      [two.id, true],
    ].sort(),
  );
});

test('follow - a node that goes down ends its logs with a line', async () => {
  const { store, addNode, addTask, read } = await serve();
  const a = await addNode('a');
  const node = a.connect();
  await addTask(a.id);
  const { lines: following } = read({ follow: true });
  const first = following.next();
  await node.next();
  await store.update((draft) => {
    const stored = draft.get('node', a.id);
    if (stored) draft.update('node', { ...stored, status: { ...stored.status, state: NodeState.DOWN } });
  });
  expect((await first).value).toBe('node a is down: its logs cannot be read\n');
  await following.return(undefined);
});

test('follow - after a broken connection a node is asked for new lines only', async () => {
  const { addNode, addTask, read } = await serve();
  const a = await addNode('a');
  await addTask(a.id);
  const node = a.connect();
  const { lines: following } = read({ follow: true });
  const first = following.next();
  const { id } = await node.next();
  node.disconnect();
  const again = a.connect();
  const asked = await again.next();
  expect(asked).toMatchObject({ id, options: { tail: 0 } });
  again.publish(asked).say('new');
  expect((await first).value).toBe('new');
  await following.return(undefined);
});

test('logs - a node that does not connect is given up', async () => {
  const { clock, addNode, addTask, read } = await serve();
  const a = await addNode('a');
  await addTask(a.id);
  const { lines: reading } = read();
  const first = reading.next();
  await clock.advance(10_000);
  expect((await first).value).toBe('node a is not connected: its logs cannot be read\n');
  expect((await reading.next()).done).toBe(true);
});

test("publish - lines for somebody else's subscription are refused", async () => {
  const { addNode, addTask, read } = await serve();
  const [a, b] = [await addNode('a'), await addNode('b')];
  await addTask(a.id);
  const { lines: reading } = read();
  const first = reading.next();
  const subscription = await a.connect().next();
  const forged = b.connect().publish(subscription);
  forged.say('forged');
  await expect(forged.answer).rejects.toMatchObject({ code: 'NOT_FOUND' });
  const log = a.connect().publish(subscription);
  log.done();
  expect((await first).done).toBe(true);
});

test('logs - a reader that has gone before its log is opened leaves nothing open', async () => {
  const store = await openTestStore();
  const broker = new LogBroker({ store, clock: new ManualClock(), authenticate: () => expect.fail('nobody calls') });
  const node = Node.create({ id: newId() });
  await store.update((draft) => draft.create('node', node));
  const task = Task.create({ id: newId(), nodeId: node.id });
  await broker.stream(task, LogOptions.create({ follow: true }), new FanIn(1), AbortSignal.abort());
});

test('fan-in - writers wait for the reader, and are turned away at the end', async () => {
  const fanIn = new FanIn<number>(2);
  expect(await Promise.all([fanIn.push(1), fanIn.push(2)])).toEqual([true, true]);
  let third: boolean | undefined;
  const waiting = fanIn.push(3).then((taken) => {
    third = taken;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(third).toBeUndefined();
  const reader = fanIn[Symbol.asyncIterator]();
  expect((await reader.next()).value).toBe(1);
  await waiting;
  expect(third).toBe(true);
  const fourth = fanIn.push(4);
  fanIn.end();
  expect(await fourth).toBe(false);
  expect([(await reader.next()).value, (await reader.next()).value]).toEqual([2, 3]);
  expect((await reader.next()).done).toBe(true);
});
