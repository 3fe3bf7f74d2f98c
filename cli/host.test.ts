import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findDaemon, parseHost, socketIn } from './host.js';

describe('parseHost', () => {
  it('takes unix sockets only', () => {
    expect(parseHost('unix:///run/x.sock')).toBe('/run/x.sock');
    expect(parseHost('/run/x.sock')).toBe('/run/x.sock');
    expect(() => parseHost('tcp://1.2.3.4:2375')).toThrow('"tcp://1.2.3.4:2375" is not a daemon\'s address');
    expect(() => parseHost('unix://x.sock')).toThrow('is not a daemon');
  });
});

describe('findDaemon', () => {
  let runRoot: string;
  const servers: Server[] = [];
  beforeEach(() => {
    runRoot = mkdtempSync(path.join(tmpdir(), 'tsswarm-host-'));
  });
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
    rmSync(runRoot, { recursive: true });
  });
  const serve = async (...below: string[]): Promise<string> => {
    const folder = path.join(runRoot, ...below);
    mkdirSync(folder, { recursive: true });
    const server = createServer((socket) => socket.end());
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(socketIn(folder), resolve));
    return socketIn(folder);
  };

  it('prefers the one asked for, then its own', async () => {
    const own = await serve();
    const other = await serve('other');
    expect(await findDaemon(undefined, undefined, runRoot)).toBe(own);
    expect(await findDaemon('', '', runRoot)).toBe(own);
    expect(await findDaemon(`unix://${other}`, 'blue', runRoot)).toBe(other);
    await expect(findDaemon(`unix://${runRoot}/none`, undefined, runRoot)).rejects.toThrow(
      'Cannot connect to the tsswarm daemon',
    );
  });

  it('takes the only one there is, or node1 of a lab', async () => {
    const node2 = await serve('lab', 'node2');
    expect(await findDaemon(undefined, undefined, runRoot)).toBe(node2);
    const node1 = await serve('lab', 'node1');
    expect(await findDaemon(undefined, undefined, runRoot)).toBe(node1);
  });

  it('takes node1 of the only lab, and of the default one among several', async () => {
    const blue = await serve('labs', 'blue', 'node1');
    await serve('labs', 'blue', 'node2');
    expect(await findDaemon(undefined, undefined, runRoot)).toBe(blue);
    const green = await serve('labs', 'green', 'node1');
    await expect(findDaemon(undefined, undefined, runRoot)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining(`unix://${green}`),
      hint: expect.stringContaining('TSSWARM_LAB'),
    });
    const node1 = await serve('lab', 'node1');
    expect(await findDaemon(undefined, undefined, runRoot)).toBe(node1);
  });

  it('takes the lab that is named, whatever else there is: node1, or another node of it', async () => {
    await serve();
    await serve('lab', 'node1');
    const node2 = await serve('labs', 'blue', 'node2');
    expect(await findDaemon(undefined, 'blue', runRoot)).toBe(node2);
    const node1 = await serve('labs', 'blue', 'node1');
    expect(await findDaemon(undefined, 'blue', runRoot)).toBe(node1);
    await expect(findDaemon(undefined, 'green', runRoot)).rejects.toThrow('no daemon of the lab "green" answers');
    await expect(findDaemon(undefined, '../x', runRoot)).rejects.toThrow('is not a name for a lab');
  });

  it('does not choose among several, and names them', async () => {
    const sockets = [await serve('a'), await serve('b')];
    await expect(findDaemon(undefined, undefined, runRoot)).rejects.toThrow(
      `several tsswarm daemons run here: unix://${sockets[0]}, unix://${sockets[1]}`,
    );
  });

  it('a socket that nobody listens on does not count', async () => {
    writeFileSync(socketIn(runRoot), '');
    await expect(findDaemon(undefined, undefined, runRoot)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      hint: expect.stringContaining('tsswarm init'),
    });
    expect(await findDaemon(undefined, undefined, runRoot).catch(() => serve('lab', 'node1'))).toContain('node1');
  });
});
