import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttp2Server } from 'node:http2';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ManualClock } from '../lib/clock.js';
import { watchSilence } from './silence.js';

/** What is said while a command waits for this server. */
async function watched(server: Server) {
  const folder = mkdtempSync(path.join(tmpdir(), 'silence-'));
  const socket = path.join(folder, 'sock');
  const connected = once(server, 'connection') as Promise<[Socket]>;
  server.listen(socket);
  await once(server, 'listening');
  const clock = new ManualClock();
  const said: string[] = [];
  const end = watchSilence(socket, { clock, err: (text) => void said.push(String(text)) });
  onTestFinished(() => {
    end();
    server.close();
    rmSync(folder, { recursive: true });
  });
  return { clock, said, end, socket, connected };
}

test('a daemon that shows no sign of life - is named to who waits, once', async () => {
  const { clock, said, socket, connected } = await watched(createServer());
  await clock.advance(4_999);
  expect(said).toEqual([]);
  await clock.advance(1);
  await connected;
  await clock.advance(1_000);
  expect(said).toEqual([expect.stringContaining(`unix://${socket} takes calls, but shows no sign of life`)]);
  await clock.advance(60_000);
  expect(said).toHaveLength(1);
});

test('a daemon that is busy with the command, and a command that has ended - nothing is said', async () => {
  const busy = await watched(createHttp2Server() as unknown as Server);
  await busy.clock.advance(5_000);
  const [socket] = await busy.connected;
  await once(socket, 'close');
  await busy.clock.advance(60_000);
  expect(busy.said).toEqual([]);

  const ended = await watched(createServer());
  await ended.clock.advance(5_000);
  ended.end();
  await ended.clock.advance(60_000);
  expect(ended.said).toEqual([]);
});
