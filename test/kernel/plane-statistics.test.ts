import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { BackendStatistics, PortStatistics } from '../../netlb/balancer/statistics.js';
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

type Counters = Readonly<Record<number, BackendStatistics>>;

/** What came to each backend between two readings: a second try of a test finds what the first one has sent. */
function growth(before: Counters, after: Counters): Counters {
  const since = ([key, now]: [string, BackendStatistics]) => {
    const then = before[Number(key)];
    if (!then) throw new Error(`${now.address} was not counted before`);
    const { connections, packetsIn, packetsOut, bytesIn, bytesOut } = then;
    return [
      key,
      {
        ...now,
        connections: now.connections - connections,
        packetsIn: now.packetsIn - packetsIn,
        packetsOut: now.packetsOut - packetsOut,
        bytesIn: now.bytesIn - bytesIn,
        bytesOut: now.bytesOut - bytesOut,
      },
    ];
  };
  return Object.fromEntries(Object.entries(after).map(since));
}

test('statistics - each connection once, at the node that it came by, for the task that got it', async () => {
  const [before1, before2] = [await countersOf(1, 'tcp', 8080), await countersOf(2, 'tcp', 8080)];
  expect(machines.ask('client', 'tcp', nodeAddress(1), 8080, 20)).toHaveLength(20);
  const at1 = growth(before1, await countersOf(1, 'tcp', 8080));
  expect(at1).toMatchObject({ 11: { weight: 1, connections: 10 }, 12: { weight: 1, connections: 10 } });
  for (const { packetsIn, packetsOut, bytesIn, bytesOut } of Object.values(at1)) {
    // A handshake, an answer and an end take a few packets either way, each with an IP and a TCP header at least.
    expect(packetsIn).toBeGreaterThanOrEqual(30);
    expect(packetsOut).toBeGreaterThanOrEqual(30);
    expect(bytesIn).toBeGreaterThanOrEqual(40 * packetsIn);
    expect(bytesOut).toBeGreaterThanOrEqual(40 * packetsOut);
  }
  const at2 = growth(before2, await countersOf(2, 'tcp', 8080));
  expect(at2).toMatchObject({ 11: { connections: 0 }, 12: { connections: 0 } });
});

test('statistics - UDP by its flows, which are as many as sockets', async () => {
  const before = await countersOf(2, 'udp', 8080);
  machines.ask('client', 'udp', nodeAddress(2), 8080, 8);
  const after = await countersOf(2, 'udp', 8080);
  expect(growth(before, after)).toMatchObject({
    11: { connections: 4, packetsIn: 4, packetsOut: 4 },
    12: { connections: 4, packetsIn: 4, packetsOut: 4 },
  });
  // Nothing is sent for so short a time that a flow would be forgotten.
  for (const { active, connections } of Object.values(after)) expect(active).toBe(connections);
});

test('statistics - what draining tasks have is shown with weight 0', async () => {
  const before = await countersOf(1, 'tcp', 8082);
  machines.ask('client', 'tcp', nodeAddress(1), 8082, 3);
  expect(growth(before, await countersOf(1, 'tcp', 8082))).toMatchObject({
    11: { weight: 1, connections: 3 },
    12: { weight: 0, connections: 0, bytesIn: 0 },
  });
});

test('statistics - the same port on two addresses is counted for each', async () => {
  const counted = async () => {
    const ports = (await statisticsOf(1)).filter(({ published }) => published === 8083);
    expect(ports.map(({ hostAddress, backends }) => [hostAddress, backends.length])).toEqual([
      ['127.0.0.1', 1],
      [nodeAddress(1), 1],
    ]);
    return ports.map(({ backends }) => backends[0]?.connections ?? Number.NaN);
  };
  const before = await counted();
  machines.ask('client', 'tcp', nodeAddress(1), 8083, 2);
  machines.ask('node1', 'tcp', '127.0.0.1', 8083, 3);
  expect((await counted()).map((connections, i) => connections - (before[i] ?? 0))).toEqual([3, 2]);
});

test('statistics - connections that last are counted until they end', async () => {
  const before = await countersOf(1, 'tcp', 8081);
  const held = machines.hold('client', nodeAddress(1), 8081);
  onTestFinished(() => void held.child.kill('SIGKILL'));
  await eventually(() => held.lines.length > 0);
  const lasting = await countersOf(1, 'tcp', 8081);
  expect(lasting).toMatchObject({ 11: { active: 1 } });
  expect(growth(before, lasting)).toMatchObject({ 11: { connections: 1 } });
  held.child.kill('SIGKILL');
  await expect.poll(async () => (await countersOf(1, 'tcp', 8081))[11]?.active, { timeout: 5_000 }).toBe(0);
});

test('statistics - counts go on when other services change, when their own gets a backend, and in a new process', async () => {
  onTestFinished(async () => {
    await applyAll(swarm);
  });
  const before = await countersOf(1, 'tcp', 8080);
  expect(Object.keys(before)).toEqual(['11', '12']);
  const changed: Swarm = {
    ...swarm,
    services: [
      { protocol: 'tcp', published: 8079, backends: ['t2'] },
      { protocol: 'tcp', published: 8080, backends: ['t2', 't1'] },
      { protocol: 'tcp', published: 8081, backends: ['t1', 't2'] },
    ],
  };
  const lasting = await countersOf(1, 'tcp', 8081);
  expect(Object.keys(lasting)).toEqual(['11']);
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
