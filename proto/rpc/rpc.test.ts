import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Metadata, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AsyncQueue, type Deferred, deferred } from '../../lib/async.js';
import { invalidArgument, SwarmError } from '../../lib/errors.js';
import { silentLogger } from '../../lib/log.js';
import {
  GetRequest,
  ImportImageRequest,
  ImportImageResponse,
  PullImageProgress,
  PullImageRequest,
} from '../gen/index.js';
import { method } from '../runtime.js';
import { Channel } from './client.js';
import { fromStatus } from './errors.js';
import { type CallContext, RpcServer } from './server.js';

const Echo = {
  ask: method('/test.Echo/Ask', GetRequest, GetRequest, false, false),
  count: method('/test.Echo/Count', PullImageRequest, PullImageProgress, false, true),
  sum: method('/test.Echo/Sum', ImportImageRequest, ImportImageResponse, true, false),
} as const;

describe('rpc over a unix socket', () => {
  let folder: string;
  let server: RpcServer;
  let channel: Channel;
  let ended = deferred<void>();
  let last: CallContext | undefined;
  /** What a client stream was read to: its bytes, or why it could not be. */
  let summed: Deferred<unknown>;

  beforeEach(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'rpc-'));
    server = new RpcServer(silentLogger);
    ended = deferred();
    summed = deferred();
    server.add(Echo, {
      ask: async (request, context) => {
        last = context;
        if (request.ref === 'bad')
          throw invalidArgument('"bad" is not good', { value: 'bad', hint: 'Say something else.' });
        if (request.ref === 'bug') throw new TypeError('undefined is not a function');
        return request;
      },
      async *count(request, context) {
        context.signal.addEventListener('abort', () => ended.resolve());
        const until = request.name === 'forever' ? Number.POSITIVE_INFINITY : 3;
        for (let i = 0; i < until && !context.signal.aborted; i++) {
          yield PullImageProgress.create({ message: String(i) });
          await new Promise((resolve) => setImmediate(resolve));
        }
        if (request.name === 'fails') throw invalidArgument('stopped');
      },
      sum: async (messages, context) => {
        let bytes = 0;
        try {
          for await (const message of messages) {
            bytes += message.data.length;
            ended.resolve();
          }
        } catch (error) {
          summed.resolve(error);
          throw error;
        }
        summed.resolve(context.signal.aborted ? 'gone' : bytes);
        return ImportImageResponse.create({ image: { ...ImportImageResponse.create().image, sizeBytes: bytes } });
      },
    });
    await server.listen(`unix://${folder}/s`);
    channel = new Channel(`unix://${folder}/s`, {
      nodeId: 'n1',
      secret: Uint8Array.of(1, 2),
      managerSecret: Uint8Array.of(3),
    });
  });

  afterEach(() => {
    channel.close();
    server.close();
    rmSync(folder, { recursive: true });
  });

  it('unary - answers, and the server sees what the caller claims to be', async () => {
    await expect(channel.stubs(Echo).ask({ ref: 'x' })).resolves.toEqual({ ref: 'x' });
    expect(last?.credential?.nodeId).toBe('n1');
    expect([...(last?.credential?.secret ?? [])]).toEqual([1, 2]);
    expect([...(last?.credential?.managerSecret ?? [])]).toEqual([3]);
  });

  it('unary - a SwarmError arrives whole', async () => {
    const error = await channel
      .stubs(Echo)
      .ask({ ref: 'bad' })
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(SwarmError);
    expect(error).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: '"bad" is not good',
      value: 'bad',
      hint: 'Say something else.',
    });
  });

  it('unary - goes by the id that the caller gives, or by one that is made for it', async () => {
    const requestId = () => last?.requestId ?? '';
    await channel.stubs(Echo, { requestId: 'of-all' }).ask({ ref: 'x' });
    expect(requestId()).toBe('of-all');
    await channel.stubs(Echo, { requestId: 'of-all' }).ask({ ref: 'x' }, { requestId: 'own_1.2:3' });
    expect(requestId()).toBe('own_1.2:3');
    await channel.stubs(Echo).ask({ ref: 'x' });
    expect(requestId()).toMatch(/^[0-9a-z]{10}$/);
    expect(requestId()).toBe(requestId());
    await channel.stubs(Echo).ask({ ref: 'x' }, { requestId: 'a b' });
    expect(requestId).toThrow('"a b" cannot be the id of a call');
  });

  it('unary - anything else arrives as INTERNAL', async () => {
    await expect(channel.stubs(Echo).ask({ ref: 'bug' })).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  it('server stream - ends, fails, and stops when the caller leaves', async () => {
    const { count } = channel.stubs(Echo);
    const seen: string[] = [];
    for await (const { message } of count(PullImageRequest.create())) seen.push(message);
    expect(seen).toEqual(['0', '1', '2']);

    const failing = async () => {
      for await (const _ of count(PullImageRequest.create({ name: 'fails' })));
    };
    await expect(failing()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: 'stopped' });

    ended = deferred();
    for await (const { message } of count(PullImageRequest.create({ name: 'forever' }))) if (message === '5') break;
    await ended.promise;
  });

  it('server stream - an aborted signal ends it quietly', async () => {
    const controller = new AbortController();
    for await (const { message } of channel
      .stubs(Echo)
      .count(PullImageRequest.create({ name: 'forever' }), { signal: controller.signal })) {
      if (message === '3') controller.abort();
    }
    await ended.promise;
  });

  it('client stream - sends all, and fails when its source does', async () => {
    const { sum } = channel.stubs(Echo);
    const messages = new AsyncQueue<ImportImageRequest>();
    for (let i = 0; i < 10; i++) messages.push(ImportImageRequest.create({ data: new Uint8Array(1000) }));
    messages.end();
    await expect(sum(messages)).resolves.toMatchObject({ image: { sizeBytes: 10_000 } });

    const broken = new AsyncQueue<ImportImageRequest>();
    broken.push(ImportImageRequest.create());
    broken.fail(new Error('disk'));
    await expect(sum(broken)).rejects.toThrow('disk');
    expect(await summed.promise).toBe(10_000);
  });

  it('client stream - one that is cut short is not taken for one that ends', async () => {
    const messages = new AsyncQueue<ImportImageRequest>();
    messages.push(ImportImageRequest.create({ data: new Uint8Array(1000) }));
    const controller = new AbortController();
    const sum = channel.stubs(Echo).sum(messages, { signal: controller.signal });
    await ended.promise;
    controller.abort();
    await expect(sum).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(await summed.promise).toMatchObject({ code: 'CANCELLED' });
  });

  it('says UNAVAILABLE when nobody listens', async () => {
    const nobody = new Channel(`unix://${folder}/none`);
    await expect(nobody.stubs(Echo).ask({ ref: 'x' }, { timeout: 2000 })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });
    nobody.close();
  });
});

it('errors - what is sent with one and cannot be read is left out, and the error itself arrives', () => {
  const metadata = new Metadata();
  metadata.set('tsswarm-error-bin', Buffer.from('no JSON'));
  const error = Object.assign(new Error('5'), { code: status.NOT_FOUND, details: 'no such thing', metadata });
  expect(fromStatus(error)).toMatchObject({ code: 'NOT_FOUND', message: 'no such thing', hint: undefined });
  metadata.set('tsswarm-error-bin', Buffer.from('{"hint":7,"value":"x"}'));
  expect(fromStatus(error)).toMatchObject({ hint: undefined, value: 'x' });
});
