import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Driver, eventually, Machines } from './plane-fixture.js';
import { CLIENT, desiredState, idOf, nodeAddress, type Swarm } from './plane-swarm.js';

const VIP = '10.0.1.200';
const EMPTY = '10.0.1.201';
const swarm: Swarm = {
  nodes: [1, 2],
  ingress: false,
  networks: ['front', 'back'],
  tasks: [
    { name: 'a1', node: 1, host: 11, networks: ['front'], ingress: false },
    { name: 'a2', node: 2, host: 12, networks: ['front'], ingress: false },
    { name: 'a3', node: 2, host: 13, networks: ['front', 'back'], ingress: false },
    { name: 'b1', node: 1, host: 14, networks: ['back'], ingress: false, gateway: false },
  ],
  virtual: [
    { network: 'front', address: VIP, tasks: ['a1', 'a2', 'a3'] },
    { network: 'front', address: EMPTY, tasks: [] },
  ],
};
const machines = new Machines();
const drivers: Driver[] = [];
const sandbox = (name: string) => {
  const task = swarm.tasks.find((candidate) => candidate.name === name);
  return machines.sandbox(`node${task?.node}`, idOf(name));
};
const apply = (state: Swarm) => Promise.all(drivers.map((driver, i) => driver.apply(desiredState(state, i + 1))));

beforeAll(async () => {
  machines.addHost('client', `${CLIENT}/24`);
  for (const n of swarm.nodes) {
    machines.addHost(`node${n}`, `${nodeAddress(n)}/24`, 1600);
    drivers.push(await machines.driver(`node${n}`));
  }
  for (const report of await apply(swarm)) expect(report.problems).toEqual([]);
  for (const { name } of swarm.tasks) await machines.serve(sandbox(name), name);
});

afterAll(() => machines.close());

test('overlay - tasks reach each other across nodes under their own addresses', () => {
  expect(machines.ask(sandbox('a1'), 'tcp', '10.0.1.12', 80, 1)).toEqual(['a2 10.0.1.11']);
  expect(machines.ask(sandbox('a2'), 'udp', '10.0.1.11', 80, 1)).toEqual(['a1 10.0.1.12']);
  expect(machines.ask(sandbox('a3'), 'tcp', '10.0.1.12', 80, 1)).toEqual(['a2 10.0.1.13']);
  expect(machines.ask(sandbox('b1'), 'tcp', '10.0.2.13', 80, 1)).toEqual(['a3 10.0.2.14']);
});

test('overlay - the MTU is the underlay less 50, and frames of that size pass', () => {
  const [link] = machines.json<{ mtu: number }>(sandbox('a1'), 'ip', 'link', 'show', 'dev', 'eth0');
  expect(link?.mtu).toBe(1550);
  machines.inside(sandbox('a1'), 'busybox', 'ping', '-c1', '-W2', '-s', String(1550 - 28), '10.0.1.12');
});

test('overlay - another network is out of reach', () => {
  expect(machines.ask(sandbox('b1'), 'tcp', '10.0.1.11', 80, 1)).toEqual(['ENETUNREACH']);
  expect(machines.ask(sandbox('a1'), 'tcp', '10.0.2.14', 80, 1)[0]).toMatch(/no answer|EHOSTUNREACH|ENETUNREACH/);
});

test('overlay - without a gateway nothing outside is reachable', () => {
  expect(machines.json(sandbox('b1'), 'ip', 'link').map(({ ifname }) => ifname)).toEqual(['lo', 'eth0']);
  expect(machines.ask(sandbox('b1'), 'tcp', CLIENT, 80, 1)).toEqual(['ENETUNREACH']);
});

test.each(['tcp', 'udp'] as const)(
  'virtual address - %s is spread evenly, the client itself among the backends',
  (protocol) => {
    for (const [name, address] of [
      ['a1', '10.0.1.11'],
      ['a3', '10.0.1.13'],
    ] as const) {
      const seen = machines.ask(sandbox(name), protocol, VIP, 80, 6).sort();
      expect(seen).toEqual(['a1', 'a1', 'a2', 'a2', 'a3', 'a3'].map((task) => `${task} ${address}`));
    }
  },
);

test('virtual address - connections are counted by the ways that they take', () => {
  const counts = (name: string) => {
    const set = machines.inside(sandbox(name), 'nft', 'list', 'set', 'ip', 'tsswarm', 'virtual_flows');
    return [...set.matchAll(/counter packets (\d+)/g)].map(([, packets]) => Number(packets));
  };
  // a1 has asked each of the three, by TCP and by UDP; a2 none.
  expect(counts('a1').map((packets) => packets >= 4)).toEqual([true, true, true]);
  expect(counts('a2')).toEqual([0, 0, 0]);
});

test('virtual address - answers echo requests', () => {
  for (let i = 0; i < 3; i++) machines.inside(sandbox('a1'), 'busybox', 'ping', '-c1', '-W1', VIP);
});

test('virtual address - without backends it refuses at once', () => {
  expect(machines.ask(sandbox('a1'), 'tcp', EMPTY, 80, 1)).toEqual(['ECONNREFUSED']);
  expect(machines.ask(sandbox('a1'), 'udp', EMPTY, 80, 1)).toEqual(['ECONNREFUSED']);
});

test('virtual address - a backend that drains keeps its connection, one that is gone loses it', async () => {
  const only = (tasks: readonly string[]): Swarm => ({
    ...swarm,
    virtual: [{ network: 'front', address: VIP, tasks }],
  });
  await apply(only(['a2']));
  const { lines } = machines.hold(sandbox('a1'), VIP, 80);
  await eventually(() => lines.length > 2);
  const states = [1, 2].map((n) => desiredState(only(['a2', 'a3']), n));
  const draining = states.map((state) => ({
    ...state,
    sandboxes: state.sandboxes.map((one) => ({
      ...one,
      virtualServices: one.virtualServices.map((service) => ({
        ...service,
        backends: service.backends.map((b) => ({ ...b, weight: b.address === '10.0.1.12' ? 0 : 1 })),
      })),
    })),
  }));
  await Promise.all(drivers.map((driver, i) => driver.apply(draining[i] ?? desiredState(swarm, i + 1))));
  expect(machines.ask(sandbox('a1'), 'tcp', VIP, 80, 3)).toEqual(Array<string>(3).fill('a3 10.0.1.11'));
  const before = lines.length;
  await eventually(() => lines.length > before + 3);
  expect(new Set(lines)).toEqual(new Set(['a2 10.0.1.11']));
  await apply(only(['a3']));
  await eventually(() => lines.at(-1)?.startsWith('ended'));
});
