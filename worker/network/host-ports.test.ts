import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { Endpoint, PortConfig, Protocol, PublishMode, Task } from '../../proto/gen/index.js';
import { freePort, hostPorts, portKey } from './host-ports.js';

const port = (fields: Partial<PortConfig>) =>
  PortConfig.create({ publishMode: PublishMode.HOST, targetPort: 80, ...fields });
const task = (...ports: PortConfig[]) => Task.create({ endpoint: Endpoint.create({ ports }) });

it('takes the ports of mode host as they are asked for', async () => {
  const asked = port({ publishedPort: 8080 });
  const mesh = PortConfig.create({ publishedPort: 9000, targetPort: 90 });
  expect(await hostPorts(task(asked, mesh), new Set())).toEqual([asked]);
});

it('chooses one that is neither taken nor listened on', async () => {
  const offers = [40000, 40000, 40001, 40001, 40002];
  const find = async () => offers.shift() ?? 0;
  const taken = new Set([portKey({ publishedPort: 40000, protocol: Protocol.TCP })]);
  const ports = await hostPorts(task(port({}), port({ targetPort: 81 })), taken, find);
  expect(ports.map((p) => p.publishedPort)).toEqual([40001, 40002]);
});

it.each([Protocol.TCP, Protocol.UDP])('finds a free port of protocol %i of this machine', async (protocol) => {
  const [chosen] = await hostPorts(task(port({ protocol, hostIp: '127.0.0.1' })), new Set());
  expect(chosen?.publishedPort).toBeGreaterThan(0);
});

it('chooses the first of a range that is neither taken, listened on, nor asked for by number beside it', async () => {
  const range = port({ publishedPort: 8080, publishedLast: 8085, targetPort: 81 });
  const taken = new Set([portKey({ publishedPort: 8080, protocol: Protocol.TCP })]);
  const find = async (_: Protocol, __: string, number: number) => (number === 8082 ? undefined : number);
  const ports = await hostPorts(task(range, range, port({ publishedPort: 8081 })), taken, find);
  expect(ports.map((p) => [p.targetPort, p.publishedPort, p.publishedLast])).toEqual([
    [81, 8083, 0],
    [81, 8084, 0],
    [80, 8081, 0],
  ]);
  const full = task(range, range, range, range, port({ publishedPort: 8081 }));
  await expect(hostPorts(full, taken, find)).rejects.toThrow('no free port of 8080-8085 on this node for port 81');
});

it.each([Protocol.TCP, Protocol.UDP])('passes over what a process listens on, protocol %i', async (protocol) => {
  const listening = await freePort(protocol, '127.0.0.1', 0);
  const range = port({
    protocol,
    hostIp: '127.0.0.1',
    publishedPort: listening ?? 0,
    publishedLast: (listening ?? 0) + 5,
  });
  const close = await occupy(protocol, listening ?? 0);
  const [chosen] = await hostPorts(task(range), new Set());
  await close();
  expect(chosen?.publishedPort).toBeGreaterThan(listening ?? 0);
});

it('says when a chosen address is not this node’s', async () => {
  const range = port({ hostIp: '198.51.100.77', publishedPort: 8080, publishedLast: 8085 });
  await expect(hostPorts(task(range), new Set())).rejects.toThrow('198.51.100.77 is no address of this node');
});

async function occupy(protocol: Protocol, number: number): Promise<() => Promise<void>> {
  if (protocol === Protocol.UDP) {
    const socket = createSocket('udp4');
    socket.bind(number, '127.0.0.1');
    await once(socket, 'listening');
    return async () => void socket.close();
  }
  const server = createServer().listen(number, '127.0.0.1');
  await once(server, 'listening');
  return async () => void server.close();
}

it('says so when there is none', async () => {
  const taken = new Set([portKey({ publishedPort: 40000, protocol: Protocol.TCP })]);
  await expect(hostPorts(task(port({})), taken, async () => 40000)).rejects.toThrow('no free port on this node');
});
