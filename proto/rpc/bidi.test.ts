import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AsyncQueue, type Deferred, deferred } from '../../lib/async.js';
import { invalidArgument } from '../../lib/errors.js';
import { silentLogger } from '../../lib/log.js';
import { GetRequest } from '../gen/index.js';
import { method } from '../runtime.js';
import { Channel } from './client.js';
import { type CallContext, type Handlers, RpcServer } from './server.js';

const Talk = { talk: method('/test.Talk/Talk', GetRequest, GetRequest, true, true) } as const;
type Handler = Handlers<typeof Talk>['talk'];

describe('rpc - streams in both directions', () => {
  let folder: string;
  let server: RpcServer;
  let channel: Channel;
  let handler: Handler;
  /** What the handler ended with. */
  let ended: Deferred<unknown>;

  beforeEach(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'rpc-'));
    ended = deferred();
    server = new RpcServer(silentLogger);
    const talk = async function* (messages: AsyncIterable<GetRequest>, context: CallContext) {
      try {
        yield* handler(messages, context);
        ended.resolve('done');
      } catch (error) {
        ended.resolve(error);
        throw error;
      }
    };
    server.add(Talk, { talk });
    await server.listen(`unix://${folder}/s`);
    channel = new Channel(`unix://${folder}/s`);
  });

  afterEach(() => {
    channel.close();
    server.close();
    rmSync(folder, { recursive: true });
  });

  const refs = async (answers: AsyncIterable<GetRequest>) => {
    const seen: string[] = [];
    for await (const { ref } of answers) seen.push(ref);
    return seen;
  };

  it('answers come while messages go', async () => {
    handler = async function* (messages) {
      for await (const { ref } of messages) yield { ref: `${ref}!` };
      yield { ref: 'bye' };
    };
    const messages = new AsyncQueue<GetRequest>();
    messages.push({ ref: '0' });
    const seen: string[] = [];
    for await (const { ref } of channel.stubs(Talk).talk(messages)) {
      seen.push(ref);
      if (seen.length < 4) messages.push({ ref: String(seen.length) });
      else messages.end();
    }
    expect(seen).toEqual(['0!', '1!', '2!', '3!', 'bye']);
    expect(await ended.promise).toBe('done');
  });

  it('a handler that fails while it reads is heard', async () => {
    handler = async function* (messages) {
      for await (const { ref } of messages) {
        if (ref === 'bad') throw invalidArgument('"bad" is not good', { value: 'bad' });
        yield { ref };
      }
    };
    const messages = new AsyncQueue<GetRequest>();
    messages.push({ ref: 'good' }, { ref: 'bad' }, { ref: 'more' });
    await expect(refs(channel.stubs(Talk).talk(messages))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      value: 'bad',
    });
  });

  it('a handler that fails right after it has answered is heard, behind its answers', async () => {
    handler = async function* (messages) {
      const reading = messages[Symbol.asyncIterator]();
      await reading.next();
      reading.next().catch(() => undefined);
      for (let i = 0; i < 12; i++) yield { ref: String(i) };
      throw invalidArgument('enough');
    };
    const messages = new AsyncQueue<GetRequest>();
    messages.push({ ref: 'go' });
    const seen: string[] = [];
    const reading = async () => {
      for await (const { ref } of channel.stubs(Talk).talk(messages)) seen.push(ref);
    };
    await expect(reading()).rejects.toThrow('enough');
    expect(seen).toHaveLength(12);
  });

  it('a handler may answer without reading to the end', async () => {
    handler = async function* (messages) {
      for await (const { ref } of messages) {
        yield { ref };
        if (ref === '2') return;
      }
    };
    const messages = new AsyncQueue<GetRequest>();
    messages.push({ ref: '1' }, { ref: '2' }, { ref: '3' });
    expect(await refs(channel.stubs(Talk).talk(messages))).toEqual(['1', '2']);
  });

  it('when the source fails, both sides hear of it', async () => {
    handler = async function* (messages) {
      for await (const message of messages) yield message;
    };
    const messages = new AsyncQueue<GetRequest>();
    messages.push({ ref: '1' });
    const failing = async () => {
      for await (const _ of channel.stubs(Talk).talk(messages)) messages.fail(new Error('disk'));
    };
    await expect(failing()).rejects.toThrow('disk');
    expect(await ended.promise).toMatchObject({ code: 'CANCELLED' });
  });

  it('when the caller leaves or its signal is aborted, the handler hears of it', async () => {
    handler = async function* (messages) {
      for await (const message of messages) yield message;
    };
    const messages = new AsyncQueue<GetRequest>();
    messages.push({ ref: '1' });
    for await (const _ of channel.stubs(Talk).talk(messages)) break;
    expect(await ended.promise).toMatchObject({ code: 'CANCELLED' });

    ended = deferred();
    const more = new AsyncQueue<GetRequest>();
    more.push({ ref: '1' });
    const controller = new AbortController();
    for await (const _ of channel.stubs(Talk).talk(more, { signal: controller.signal })) controller.abort();
    expect(await ended.promise).toMatchObject({ code: 'CANCELLED' });
  });

  it('the source is not read further than the other side takes', async () => {
    const goOn = deferred<void>();
    handler = async function* (messages) {
      yield { ref: 'hello' };
      await goOn.promise;
      let count = 0;
      for await (const _ of messages) count++;
      yield { ref: String(count) };
    };
    let read = 0;
    const source = async function* () {
      for (; read < 1000; read++) {
        yield { ref: 'x'.repeat(10_000) };
      }
    };
    const answers = channel.stubs(Talk).talk(source())[Symbol.asyncIterator]();
    expect((await answers.next()).value).toEqual({ ref: 'hello' });
    // Every message takes the next one within a few turns of the event loop, unless nothing is taken any more.
    for (let idle = 0, last = -1; idle < 50; idle = read === last ? idle + 1 : 0) {
      last = read;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(read).toBeLessThan(300);
    goOn.resolve();
    expect((await answers.next()).value).toEqual({ ref: '1000' });
    expect((await answers.next()).done).toBe(true);
  });

  it('says UNAVAILABLE when nobody listens', async () => {
    const nobody = new Channel(`unix://${folder}/none`);
    const messages = new AsyncQueue<GetRequest>();
    await expect(refs(nobody.stubs(Talk).talk(messages))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    nobody.close();
  });
});
