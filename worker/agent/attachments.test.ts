import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ManualClock } from '../../lib/clock.js';
import { failedPrecondition, resourceExhausted, type SwarmError, unavailable } from '../../lib/errors.js';
import { silentLogger } from '../../lib/log.js';
import { AttachmentsService, AttachNetworkRequest, Network, Task } from '../../proto/gen/index.js';
import { Channel } from '../../proto/rpc/client.js';
import { RpcServer } from '../../proto/rpc/server.js';
import { AttachmentsClient } from './attachments.js';

/** A manager that answers what it is told to, in order, and then with a task. */
async function manager() {
  const folder = mkdtempSync(path.join(tmpdir(), 'attachments-'));
  const asked: string[] = [];
  const refusals: SwarmError[] = [];
  const answer = <T>(call: string, value: T): T => {
    asked.push(call);
    const refusal = refusals.shift();
    if (refusal) throw refusal;
    return value;
  };
  const server = new RpcServer(silentLogger);
  server.add(AttachmentsService, {
    attach: async ({ sessionId, network }) =>
      answer(`${sessionId} attach ${network}`, { task: Task.create({ id: 't' }), network: Network.create() }),
    detach: async ({ sessionId, taskId }) => answer(`${sessionId} detach ${taskId}`, {}),
  });
  const target = `unix://${path.join(folder, 'sock')}`;
  await server.listen(target);
  const channel = new Channel(target);
  const clock = new ManualClock();
  const client = new AttachmentsClient(clock);
  const end = new AbortController();
  onTestFinished(() => {
    end.abort();
    channel.close();
    server.close();
    rmSync(folder, { recursive: true });
  });
  const begin = (session: string, signal = end.signal) => void client.serve(channel, session, signal);
  /** Turns the clock until the call has its answer. */
  const settle = async <T>(call: Promise<T>): Promise<T> => {
    let done = false;
    call.then(
      () => (done = true),
      () => (done = true),
    );
    while (!done) {
      await clock.advance(50);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return call;
  };
  return { client, clock, asked, refusals, begin, settle, signal: end.signal };
}

const request = AttachNetworkRequest.create({ network: 'net', containerId: 'a', containerName: 'box' });

test('calls - wait for a session, and go on in the next one', async () => {
  const { client, asked, begin, signal } = await manager();
  const first = new AbortController();
  begin('s1', first.signal);
  await client.attach(request, signal);
  first.abort();
  begin('s2');
  await client.detach('t', signal);
  expect(asked).toEqual(['s1 attach net', 's2 detach t']);
});

test('calls - are made again when the manager leads no more, or does not know the session', async () => {
  const { client, asked, refusals, begin, settle, signal } = await manager();
  begin('s1');
  refusals.push(unavailable('not the leader'), failedPrecondition('session s1 is not known', { value: 's1' }));
  expect((await settle(client.attach(request, signal))).task.id).toBe('t');
  expect(asked).toEqual(['s1 attach net', 's1 attach net', 's1 attach net']);
});

test('calls - what a manager refuses is not asked again', async () => {
  const { client, asked, refusals, begin, signal } = await manager();
  begin('s1');
  refusals.push(resourceExhausted('no free address'));
  await expect(client.attach(request, signal)).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
  expect(asked).toHaveLength(1);
});

test('calls - without a session end in words, or with their caller', async () => {
  const { client, clock, settle, signal } = await manager();
  const before = clock.now();
  await expect(settle(client.detach('t', signal))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(clock.now()).toBeGreaterThan(before);
  await expect(client.detach('t', AbortSignal.abort())).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});
