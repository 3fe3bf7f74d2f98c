import { createServer, type Server, type Socket } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { silentLogger } from '../../lib/log.js';
import { knock, refusesConnections } from './knock.js';
import { RpcServer } from './server.js';

const never = new AbortController().signal;

async function rpcServer(): Promise<string> {
  const server = new RpcServer(silentLogger);
  onTestFinished(() => server.close());
  return `127.0.0.1:${await server.listen('127.0.0.1:0')}`;
}

/** A server that does with its connections what it is told. */
async function tcpServer(onConnection: (socket: Socket) => void): Promise<{ server: Server; target: string }> {
  const server = createServer(onConnection);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { server, target: `127.0.0.1:${(server.address() as { port: number }).port}` };
}

it('knock - a server that lives answers, also after many were at its door', async () => {
  const target = await rpcServer();
  for (let i = 0; i < 20; i++) await knock(target, never);
});

it('knock - nobody listens', async () => {
  const { server, target } = await tcpServer(() => undefined);
  await new Promise((resolve) => server.close(resolve));
  const error: unknown = await knock(target, never).catch((e: unknown) => e);
  expect(error).toMatchObject({ code: 'UNAVAILABLE', message: `nobody listens at ${target}` });
  expect(refusesConnections(error)).toBe(true);
  const noSocket: unknown = await knock('unix:///nonexistent/socket', never).catch((e: unknown) => e);
  expect(refusesConnections(noSocket)).toBe(true);
});

it('knock - a process that accepts and says nothing is waited for until the signal says so, and left', async () => {
  const sockets: Socket[] = [];
  const giveUp = new AbortController();
  const { target } = await tcpServer((socket) => {
    sockets.push(socket.resume());
    giveUp.abort(new Error('long enough'));
  });
  const error: unknown = await knock(target, giveUp.signal).catch((e: unknown) => e);
  expect(error).toEqual(new Error('long enough'));
  expect(refusesConnections(error)).toBe(false);
  await new Promise((resolve) => sockets[0]?.once('close', resolve));
});

it('knock - a connection that is closed at once is no answer, and no refusal', async () => {
  const { target } = await tcpServer((socket) => socket.end());
  const error: unknown = await knock(target, never).catch((e: unknown) => e);
  expect(error).toMatchObject({ code: 'UNAVAILABLE' });
  expect(refusesConnections(error)).toBe(false);
});
