import { expect, onTestFinished, test } from 'vitest';
import { deferred } from '../../lib/async.js';
import { silentLogger } from '../../lib/log.js';
import { GetRequest, PullImageProgress, PullImageRequest } from '../gen/index.js';
import { method } from '../runtime.js';
import { Channel } from './client.js';
import { type CallContext, RpcServer } from './server.js';

const Echo = {
  ask: method('/test.Echo/Ask', GetRequest, GetRequest, false, false),
  stay: method('/test.Echo/Stay', PullImageRequest, PullImageProgress, false, true),
} as const;

async function serve() {
  const opened = deferred<CallContext>();
  const server = new RpcServer(silentLogger);
  server.add(Echo, {
    ask: async (request, context) => {
      opened.resolve(context);
      return request;
    },
    async *stay(_request, context) {
      opened.resolve(context);
      yield PullImageProgress.create();
      await new Promise((resolve) => context.signal.addEventListener('abort', resolve, { once: true }));
    },
  });
  const port = await server.listen('127.0.0.1:0');
  onTestFinished(() => server.close());
  return { server, port, opened: opened.promise };
}

test('pings alone are seen to come over a connection, and nothing after its end', async () => {
  const { port, opened } = await serve();
  const channel = new Channel(`127.0.0.1:${port}`, undefined, { interval: 20, timeout: 1_000 });
  const answers = channel.stubs(Echo).stay(PullImageRequest.create())[Symbol.asyncIterator]();
  await answers.next();
  const context = await opened;
  const { received } = context;
  if (!received) throw new RangeError('nothing is known of the connection');
  const before = received();
  expect(before).toBeGreaterThan(0);
  // A ping is a frame of 17 bytes.
  await expect.poll(received, { timeout: 5_000, interval: 5 }).toBeGreaterThanOrEqual(before + 3 * 17);
  expect((received() - before) % 17).toBe(0);
  await answers.return?.();
  channel.close();
  await expect.poll(() => context.received, { timeout: 5_000, interval: 5 }).toBeUndefined();
  const last = received();
  const other = new Channel(`127.0.0.1:${port}`);
  await other.stubs(Echo).ask({ ref: 'x' });
  other.close();
  expect(received()).toBe(last);
});

test('each caller is told from the others', async () => {
  const { port, opened } = await serve();
  const [busy, quiet] = [1, 2].map(() => new Channel(`127.0.0.1:${port}`));
  if (!busy || !quiet) throw new RangeError('two channels');
  const answers = quiet.stubs(Echo).stay(PullImageRequest.create())[Symbol.asyncIterator]();
  await answers.next();
  const { received } = await opened;
  const before = received?.();
  for (let i = 0; i < 5; i++) await busy.stubs(Echo).ask({ ref: 'x' });
  expect(before).toBeGreaterThan(0);
  expect(received?.()).toBe(before);
  busy.close();
  quiet.close();
});

test('an address that is taken is named', async () => {
  const { port } = await serve();
  const second = new RpcServer(silentLogger);
  onTestFinished(() => second.close());
  await expect(second.listen(`127.0.0.1:${port}`)).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    value: `127.0.0.1:${port}`,
  });
});
