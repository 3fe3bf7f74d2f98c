import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Driver, Machines } from './plane-fixture.js';
import { CLIENT, desiredState, idOf, nodeAddress, type Swarm } from './plane-swarm.js';

const nodes = [1, 2, 3];
const swarm: Swarm = {
  nodes,
  tasks: [
    { name: 't1', node: 1, host: 11 },
    { name: 't2', node: 2, host: 12, hostPorts: [{ protocol: 'tcp', hostAddress: '', published: 8888, target: 80 }] },
    { name: 't3', node: 2, host: 13 },
    { name: 't4', node: 3, host: 14 },
  ],
  services: [
    { protocol: 'tcp', published: 8080, backends: ['t1', 't2', 't3', 't4'] },
    { protocol: 'udp', published: 8080, backends: ['t1', 't2', 't3', 't4'] },
    { protocol: 'tcp', published: 8081, backends: [] },
  ],
};
const machines = new Machines();
const drivers = new Map<number, Driver>();
const node = (n: number) => `node${n}`;

async function applyAll(state: Swarm = swarm) {
  return Promise.all([...drivers].map(([n, driver]) => driver.apply(desiredState(state, n))));
}

beforeAll(async () => {
  machines.addHost('client', `${CLIENT}/24`);
  for (const n of nodes) machines.addHost(node(n), `${nodeAddress(n)}/24`);
  for (const n of nodes) drivers.set(n, await machines.driver(node(n)));
  const reports = await applyAll();
  console.log(reports);
  for (const report of reports) expect(report.problems).toEqual([]);
  for (const task of swarm.tasks) await machines.serve(machines.sandbox(node(task.node), idOf(task.name)), task.name);
});

afterAll(() => machines.close());

const everyTask = (client: string) =>
  ['t1', 't2', 't3', 't4'].flatMap((name) => [`${name} ${client}`, `${name} ${client}`]);

test.each(nodes)('mesh - through node %i every task gets its share and sees the client', (n) => {
  expect(machines.ask('client', 'tcp', nodeAddress(n), 8080, 8).sort()).toEqual(everyTask(CLIENT));
  expect(machines.ask('client', 'udp', nodeAddress(n), 8080, 8).sort()).toEqual(everyTask(CLIENT));
});

test('mesh - a second pass changes nothing', async () => {
  const reports = await applyAll();
  console.log(reports);
  expect(reports.map(({ operations, problems }) => ({ operations, problems }))).toEqual(
    nodes.map(() => ({ operations: 0, problems: [] })),
  );
});
