import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PortStatistics } from '../../netlb/balancer/statistics.js';
import { type Driver, eventually, Machines } from './plane-fixture.js';
import { CLIENT, desiredState, idOf, nodeAddress, type Swarm } from './plane-swarm.js';

const swarm: Swarm = {
  nodes: [1, 2],
  tasks: [
    { name: 't1', node: 1, host: 11 },
    { name: 't2', node: 2, host: 12 },
  ],
  services: [
    { protocol: 'tcp', published: 8080, backends: ['t1', 't2'] },
    { protocol: 'udp', published: 8080, backends: ['t1', 't2'] },
    { protocol: 'tcp', published: 8081, backends: ['t1'] },
    { protocol: 'tcp', published: 8083, backends: ['t1'], hostAddress: '127.0.0.1' },
    { protocol: 'tcp', published: 8083, backends: ['t2'], hostAddress: nodeAddress(1) },
    { protocol: 'tcp', published: 8082, backends: ['t1', { task: 't2', weight: 0 }] },
  ],
};
const machines = new Machines();
const drivers: Driver[] = [];
const applyAll = (state: Swarm) => Promise.all(drivers.map((driver, i) => driver.apply(desiredState(state, i + 1))));
const sandboxOf = (name: string, node: number) => machines.sandbox(`node${node}`, idOf(name));

beforeAll(async () => {
  machines.addHost('client', `${CLIENT}/24`);
  for (const n of swarm.nodes) machines.addHost(`node${n}`, `${nodeAddress(n)}/24`);
  for (const n of swarm.nodes) drivers.push(await machines.driver(`node${n}`));
  for (const report of await applyAll(swarm)) expect(report.problems).toEqual([]);
  for (const { name, node } of swarm.tasks) await machines.serve(sandboxOf(name, node), name);
});
afterAll(() => machines.close());

async function statisticsOf(node: number): Promise<PortStatistics[]> {
  return (await drivers[node - 1]?.statistics()) ?? [];
}

/** Of one port, by the last number of the backend's address. */
async function countersOf(node: number, protocol: string, published: number) {
  const port = (await statisticsOf(node)).find((one) => one.protocol === protocol && one.published === published);
  return Object.fromEntries((port?.backends ?? []).map((one) => [Number(one.address.split('.')[3]), one] as const));
}

test('statistics - each connection once, at the node that it came by, for the task that got it', async () => {
  expect(machines.ask('client', 'tcp', nodeAddress(1), 8080, 20)).toHaveLength(20);
  const at1 = await countersOf(1, 'tcp', 8080);
  expect(at1).toMatchObject({ 11: { weight: 1, connections: 10 }, 12: { weight: 1, connections: 10 } });
  for (const { packetsIn, packetsOut, bytesIn, bytesOut } of Object.values(at1)) {
    // A handshake, an answer and an end take a few packets either way, each with an IP and a TCP header at least.
    expect(packetsIn).toBeGreaterThanOrEqual(30);
    expect(packetsOut).toBeGreaterThanOrEqual(30);
    expect(bytesIn).toBeGreaterThanOrEqual(40 * packetsIn);
    expect(bytesOut).toBeGreaterThanOrEqual(40 * packetsOut);
  }
  expect(await countersOf(2, 'tcp', 8080)).toMatchObject({ 11: { connections: 0 }, 12: { connections: 0 } });
});

test('statistics - UDP by its flows, which are as many as sockets', async () => {
  machines.ask('client', 'udp', nodeAddress(2), 8080, 8);
  expect(await countersOf(2, 'udp', 8080)).toMatchObject({
    11: { active: 4, connections: 4, packetsIn: 4, packetsOut: 4 },
    12: { active: 4, connections: 4, packetsIn: 4, packetsOut: 4 },
  });
});

test('statistics - what draining tasks have is shown with weight 0', async () => {
  machines.ask('client', 'tcp', nodeAddress(1), 8082, 3);
  expect(await countersOf(1, 'tcp', 8082)).toMatchObject({
    11: { weight: 1, connections: 3 },
    12: { weight: 0, connections: 0, bytesIn: 0 },
  });
});

test('statistics - the same port on two addresses is counted for each', async () => {
  machines.ask('client', 'tcp', nodeAddress(1), 8083, 2);
  machines.ask('node1', 'tcp', '127.0.0.1', 8083, 3);
  const ports = (await statisticsOf(1)).filter(({ published }) => published === 8083);
  const counted = ports.map(({ hostAddress, backends }) => [
    hostAddress,
    backends.map(({ connections }) => connections),
  ]);
  expect(counted).toEqual([
    ['127.0.0.1', [3]],
    [nodeAddress(1), [2]],
  ]);
});

test('statistics - connections that last are counted until they end', async () => {
  const held = machines.hold('client', nodeAddress(1), 8081);
  await eventually(() => held.lines.length > 0);
  expect(await countersOf(1, 'tcp', 8081)).toMatchObject({ 11: { active: 1, connections: 1 } });
  held.child.kill('SIGKILL');
  for (const deadline = Date.now() + 5_000; ; ) {
    if ((await countersOf(1, 'tcp', 8081))[11]?.active === 0) break;
    expect(Date.now(), 'the connection has ended').toBeLessThan(deadline);
  }
});

test('statistics - counts go on when other services change, when their own gets a backend, and in a new process', async () => {
  const before = await countersOf(1, 'tcp', 8080);
  const changed: Swarm = {
    ...swarm,
    services: [
      { protocol: 'tcp', published: 8079, backends: ['t2'] },
      { protocol: 'tcp', published: 8080, backends: ['t2', 't1'] },
      { protocol: 'tcp', published: 8081, backends: ['t1', 't2'] },
    ],
  };
  const lasting = await countersOf(1, 'tcp', 8081);
  await applyAll(changed);
  expect(await countersOf(1, 'tcp', 8080)).toEqual(before);
  const grown = await countersOf(1, 'tcp', 8081);
  expect(grown[11]?.connections).toBe(lasting[11]?.connections);
  expect(grown[12]).toMatchObject({ connections: 0, packetsIn: 0 });

  await drivers[0]?.kill();
  drivers[0] = await machines.driver('node1');
  expect(await statisticsOf(1)).toEqual([]);
  await drivers[0].apply(desiredState(changed, 1));
  expect(await countersOf(1, 'tcp', 8080)).toEqual(before);
});
