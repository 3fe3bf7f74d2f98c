import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../lib/clock.js';
import { newId } from '../lib/ids.js';
import { silentLogger } from '../lib/log.js';
import { ControlService, CreateServiceRequest, NodeDescription, TaskState, WatchRequest } from '../proto/gen/index.js';
import { Channel } from '../proto/rpc/client.js';
import { RpcServer } from '../proto/rpc/server.js';
import { specOf } from './control/testing.js';
import { newGroup } from './identity.js';
import { Manager } from './manager.js';

let dataRoot: string;
const cleanups: (() => Promise<void> | void)[] = [];
beforeEach(() => {
  dataRoot = mkdtempSync(path.join(tmpdir(), 'manager-'));
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  rmSync(dataRoot, { recursive: true, force: true });
});

const options = () => ({
  dataRoot,
  log: silentLogger,
  clock: systemClock,
  nodeId,
  nodeSecret: Buffer.alloc(32, 1),
  identity,
  address: '203.0.113.1:2377',
  onFatal: (error: unknown) => expect.fail(String(error)),
});
const nodeId = newId();
const identity = newGroup();
const init = {
  dataPathAddress: '203.0.113.1',
  description: NodeDescription.create({ hostname: 'node1' }),
};

/** A running manager with a client on its local socket. */
async function start() {
  const manager = new Manager(options());
  await manager.start();
  const server = new RpcServer(silentLogger);
  server.add(ControlService, manager.control);
  const target = `unix://${path.join(dataRoot, 'tsswarm.sock')}`;
  await server.listen(target);
  const channel = new Channel(target);
  const stop = async () => {
    channel.close();
    server.close();
    await manager.stop();
  };
  return { manager, control: channel.stubs(ControlService), stop };
}

/** Makes a swarm in the data root and closes it again. */
async function bootstrap(how: Parameters<Manager['bootstrap']>[0] = init) {
  const manager = new Manager({ ...options(), onEmptyLog: 'begin' });
  try {
    return await manager.bootstrap(how);
  } finally {
    await manager.stop();
  }
}

test('bootstrap - makes the swarm once', async () => {
  const made = await bootstrap();
  expect(made.workerToken).toMatch(/^SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25}$/);
  await expect(bootstrap()).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
});

test('manager - a published service gets a port and tasks that say why they wait; all of it survives a restart', async () => {
  await bootstrap();
  const first = await start();
  cleanups.push(() => first.stop());
  const spec = specOf({ replicated: { replicas: 2 }, ports: [{ publishedPort: 8080 }] });
  const { service } = await first.control.createService(CreateServiceRequest.create({ spec }));
  const end = new AbortController();
  const seen = new Map<string, string>();
  for await (const { events } of first.control.watch(WatchRequest.create({ serviceId: service.id }), {
    signal: end.signal,
  })) {
    for (const { task } of events) {
      if (task?.status.state === TaskState.PENDING && task.status.error !== '') seen.set(task.id, task.status.error);
    }
    if (seen.size === 2) end.abort();
  }
  expect([...seen.values()][0]).toContain('no suitable node');
  const { service: allocated } = await first.control.getService({ ref: 'web' });
  expect(allocated.endpoint.ports[0]?.publishedPort).toBe(8080);
  const { networks } = await first.control.listNetworks({ filters: [] });
  expect(networks).toMatchObject([
    {
      spec: { name: 'ingress' },
      vni: 4096,
      ipam: [{ subnet: '10.0.0.0/24' }, { subnet: expect.stringMatching(/^fd.*::\/64$/) }],
    },
  ]);
  await cleanups.pop()?.();

  const second = await start();
  cleanups.push(() => second.stop());
  const { services } = await second.control.listServices({ filters: [] });
  expect(services.map((s) => s.id)).toEqual([service.id]);
  const { tasks } = await second.control.listTasks({ filters: [] });
  expect(tasks.map((task) => task.id).sort()).toEqual([...seen.keys()].sort());
});

test.each([
  [{ dataPathPort: 80 }, 'data path port 80 is out of range'],
  [{ defaultAddressPools: ['10.0.0.0/8', '10.9.0.0/16'] }, 'address pools 10.0.0.0/8 and 10.9.0.0/16 overlap'],
  [{ defaultAddressPools: ['10.0.0.0'] }, '"10.0.0.0" is not a subnet'],
  [{ defaultAddressPools: ['10.1.0.0/16'], subnetSize: 8 }, 'subnet size 8 does not fit address pool 10.1.0.0/16'],
])('bootstrap - %j is refused', async (wrong, message) => {
  await expect(bootstrap({ ...init, ...wrong })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message,
  });
});

test('manager - one whose log is gone does not start with an empty one, however often it is tried', async () => {
  await bootstrap();
  rmSync(path.join(dataRoot, 'manager'), { recursive: true });
  for (let attempt = 0; attempt < 3; attempt++) {
    await expect(new Manager(options()).start()).rejects.toMatchObject({
      code: 'INTERNAL',
      message: expect.stringContaining('the log of this manager is gone'),
    });
  }
});
