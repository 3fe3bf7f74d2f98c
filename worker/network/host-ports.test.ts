import { expect, it } from 'vitest';
import { Endpoint, PortConfig, Protocol, PublishMode, Task } from '../../proto/gen/index.js';
import { hostPorts, portKey } from './host-ports.js';

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

it('says so when there is none', async () => {
  const taken = new Set([portKey({ publishedPort: 40000, protocol: Protocol.TCP })]);
  await expect(hostPorts(task(port({})), taken, async () => 40000)).rejects.toThrow('no free port on this node');
});
