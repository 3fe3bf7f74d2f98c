import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Driver, eventually, Machines } from './plane-fixture.js';
import { CLIENT, desiredState, idOf, nodeAddress, type Service, type Swarm } from './plane-swarm.js';

const FIRST = nodeAddress(1);
const SECOND = '192.0.2.51';
const OTHER_NODE = '192.0.2.77';
const at = (hostAddress: string, ...backends: string[]): Service[] =>
  (['tcp', 'udp'] as const).map((protocol) => ({ protocol, published: 8080, hostAddress, backends }));
const first = at(FIRST, 't1');
const second = at(SECOND, 't2');
const others = [...at('127.0.0.1', 't3'), ...at(OTHER_NODE, 't1')];
const swarm: Swarm = {
  nodes: [1],
  tasks: ['t1', 't2', 't3'].map((name, i) => ({ name, node: 1, host: 11 + i })),
  services: [...first, ...second, ...others],
};
const machines = new Machines();
let driver: Driver;
const publish = async (...services: Service[]) => {
  expect((await driver.apply(desiredState({ ...swarm, services }, 1))).problems).toEqual([]);
};

beforeAll(async () => {
  machines.addHost('client', `${CLIENT}/24`);
  machines.addHost('node1', `${FIRST}/24`);
  machines.inside('node1', 'ip', 'address', 'add', `${SECOND}/24`, 'dev', 'eth0');
  driver = await machines.driver('node1');
  await publish(...first, ...second, ...others);
  for (const { name } of swarm.tasks) await machines.serve(machines.sandbox('node1', idOf(name)), name);
});

afterAll(() => machines.close());

test.each(['tcp', 'udp'] as const)('addresses - one %s port is another service on each of them', (protocol) => {
  const asked = (from: string, address: string) => machines.ask(from, protocol, address, 8080, 2);
  expect(asked('client', FIRST)).toEqual(Array(2).fill(`t1 ${CLIENT}`));
  expect(asked('client', SECOND)).toEqual(Array(2).fill(`t2 ${CLIENT}`));
  expect(asked('node1', SECOND)).toEqual(Array(2).fill(`t2 ${FIRST}`));
  expect(asked('node1', '127.0.0.1')).toEqual(Array(2).fill(`t3 ${FIRST}`));
});

test('addresses - a second pass changes nothing', async () => {
  const desired = desiredState(swarm, 1);
  expect(await driver.apply(desired)).toMatchObject({ operations: 0, problems: [] });
});

test('addresses - what goes from one cuts its connections, and leaves those of the same port elsewhere', async () => {
  const going = machines.hold('client', FIRST, 8080);
  const staying = machines.hold('client', SECOND, 8080);
  for (const { lines } of [going, staying]) await eventually(() => lines.length > 1);
  const before = staying.lines.length;
  await publish(...second, ...others);
  await eventually(() => going.lines.at(-1)?.startsWith('ended'));
  expect(machines.ask('client', 'tcp', FIRST, 8080, 1)).toEqual(['ECONNREFUSED']);
  await eventually(() => staying.lines.length > before + 3);
  await publish(...first, ...second, ...others);
  expect(machines.ask('client', 'tcp', FIRST, 8080, 1)).toEqual([`t1 ${CLIENT}`]);
  const after = staying.lines.length;
  await eventually(() => staying.lines.length > after + 3);
  expect(new Set(staying.lines)).toEqual(new Set([`t2 ${CLIENT}`]));
});
