import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AsyncQueue, type Deferred, deferred, yieldToLoop } from '../../lib/async.js';
import { systemClock } from '../../lib/clock.js';
import { notFound } from '../../lib/errors.js';
import { silentLogger } from '../../lib/log.js';
import {
  LogBrokerService,
  LogLine,
  type LogOptions,
  LogSubscription,
  type PublishLogsRequest,
  PublishLogsResponse,
  Task,
} from '../../proto/gen/index.js';
import { Channel } from '../../proto/rpc/client.js';
import { RpcServer } from '../../proto/rpc/server.js';
import { LogPublisher } from './log-publisher.js';

let folder: string;
let server: RpcServer;
let channel: Channel;
let subscriptions: AsyncQueue<LogSubscription>;
let received: PublishLogsRequest[];
/** The manager takes a message only when this resolves. */
let gate: Deferred<void>;
let ended: Deferred<void>;
const stop = { controller: new AbortController(), running: Promise.resolve() };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'logs-'));
  subscriptions = new AsyncQueue();
  received = [];
  gate = deferred();
  ended = deferred();
  server = new RpcServer(silentLogger);
  server.add(LogBrokerService, {
    subscriptions: () => subscriptions,
    publish: async (messages) => {
      await gate.promise;
      for await (const message of messages) received.push(message);
      ended.resolve();
      return PublishLogsResponse.create();
    },
  });
  await server.listen(`unix://${folder}/manager.sock`);
  channel = new Channel(`unix://${folder}/manager.sock`);
  stop.controller = new AbortController();
});
afterEach(async () => {
  stop.controller.abort();
  await stop.running;
  channel.close();
  server.close();
  await rm(folder, { recursive: true, force: true });
});

type Logs = (id: string, options: LogOptions, signal: AbortSignal) => AsyncIterable<LogLine>;

function start(logs: Logs): void {
  const task = (id: string) => (id === 'unknown' ? undefined : Task.create({ id, serviceId: 'web' }));
  const publisher = new LogPublisher({ executor: { logs }, nodeId: 'n1', task, clock: systemClock, log: silentLogger });
  stop.running = publisher.run(channel, 'session', stop.controller.signal);
}

const line = (text: string) => LogLine.create({ data: Buffer.from(text) });
const subscribe = (taskId: string) => subscriptions.push(LogSubscription.create({ id: `s-${taskId}`, taskId }));
const texts = () => received.flatMap(({ batch }) => batch.lines.map(({ data }) => Buffer.from(data).toString()));

describe('LogPublisher', () => {
  it('sends the lines of a task, then says that they are all', async () => {
    start(async function* () {
      yield line('one');
      yield line('two');
    });
    gate.resolve();
    subscribe('t1');
    await ended.promise;
    expect(texts()).toEqual(['one', 'two']);
    expect(received[0]).toMatchObject({
      subscriptionId: 's-t1',
      batch: { taskId: 't1', serviceId: 'web', nodeId: 'n1' },
    });
    expect(received.map(({ done, error }) => [done, error]).at(-1)).toEqual([true, '']);
  });

  it('says why a log cannot be read', async () => {
    // biome-ignore lint/correctness/useYield: it fails before the first line
    start(async function* () {
      throw notFound('No such container: t1');
    });
    gate.resolve();
    subscribe('t1');
    await ended.promise;
    expect(received).toMatchObject([{ done: true, error: 'No such container: t1' }]);
  });

  it('says that a task is not here', async () => {
    start(async function* () {
      yield line('never');
    });
    gate.resolve();
    subscribe('unknown');
    await ended.promise;
    expect(received).toMatchObject([{ done: true, error: 'task unknown is not on this node' }]);
  });

  it('ends a followed log when its reader has gone', async () => {
    const closed = deferred<void>();
    start(async function* (_id, _options, signal) {
      signal.addEventListener('abort', () => closed.resolve(), { once: true });
      yield line('first');
      await closed.promise;
    });
    gate.resolve();
    subscribe('t1');
    subscriptions.push(LogSubscription.create({ id: 's-t1', taskId: 't1', close: true }));
    await closed.promise;
  });

  it('reads no faster than the manager takes', async () => {
    let read = 0;
    const total = 400;
    start(async function* () {
      for (; read < total; read++) yield line('x'.repeat(64 << 10));
    });
    subscribe('t1');
    // What fits in the buffers on the way is read, and no more.
    for (let before = -1, idle = 0; read === 0 || idle < 200; idle = read > before ? 0 : idle + 1) {
      before = read;
      await yieldToLoop();
    }
    expect(read).toBeLessThan(total);
    gate.resolve();
    await ended.promise;
    expect(texts()).toHaveLength(total);
  });
});
