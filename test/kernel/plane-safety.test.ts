import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { macOf } from '../../lib/ip.js';
import { countPackets } from './plane-counter.js';
import { type Driver, eventually, Machines } from './plane-fixture.js';
import { CLIENT, desiredState, idOf, ingressName, nodeAddress, type Swarm } from './plane-swarm.js';

/** No network's that there is. */
const OUTSIDE = '198.51.100.7';
const swarm: Swarm = {
  nodes: [1, 2],
  networks: ['net'],
  tasks: [
    { name: 't1', node: 1, host: 11, networks: ['net'] },
    { name: 't2', node: 1, host: 12, networks: ['net'] },
    { name: 't3', node: 2, host: 13, networks: ['net'] },
  ],
  services: (['tcp', 'udp'] as const).map((protocol) => ({ protocol, published: 8080, backends: ['t1', 't2', 't3'] })),
};
const machines = new Machines();
const drivers: Driver[] = [];
const nodeOf = (name: string) => `node${swarm.tasks.find((task) => task.name === name)?.node}`;
const sandboxOf = (name: string) => machines.sandbox(nodeOf(name), idOf(name));
const applyAll = () => Promise.all(drivers.map((driver, i) => driver.apply(desiredState(swarm, i + 1))));

beforeAll(async () => {
  for (const name of ['client', 'stranger'])
    machines.addHost(name, name === 'client' ? `${CLIENT}/24` : '192.0.2.66/24');
  for (const n of swarm.nodes) machines.addHost(`node${n}`, `${nodeAddress(n)}/24`);
  for (const n of swarm.nodes) drivers.push(await machines.driver(`node${n}`));
  for (const report of await applyAll()) expect(report.problems).toEqual([]);
  for (const { name } of swarm.tasks) await machines.serve(sandboxOf(name), name);
});
afterAll(() => machines.close());

const counter = (...args: [where: string, match: string, place?: 'leaving']) => countPackets(machines, ...args);

/** Makes a task send to an address under another one; what it is answered. */
function asked(from: string, to: string, port: number): string {
  const sandbox = sandboxOf(from);
  machines.inside(sandbox, 'ip', 'address', 'replace', `${OUTSIDE}/32`, 'dev', 'lo');
  const device = to.startsWith('10.0.0.') ? 'eth0' : 'eth1';
  machines.inside(sandbox, 'ip', 'route', 'replace', `${to}/32`, 'dev', device, 'src', OUTSIDE);
  try {
    return machines.ask(sandbox, 'udp', to, port, 1).join();
  } finally {
    machines.inside(sandbox, 'ip', 'route', 'delete', `${to}/32`);
  }
}

test('a second pass changes nothing', async () => {
  expect((await applyAll()).map(({ operations }) => operations)).toEqual([0, 0]);
});

test.each([
  ['t2', '10.0.0.12', 'the ingress network, same node'],
  ['t3', '10.0.0.13', 'the ingress network, other node'],
  ['t2', '10.0.1.12', 'an overlay, same node'],
  ['t3', '10.0.1.13', 'an overlay, other node'],
])('a task cannot send to %s (%s) under an address of elsewhere: %s', (name, address) => {
  const sent = counter(sandboxOf('t1'), `ip saddr ${OUTSIDE}`, 'leaving');
  const seen = counter(sandboxOf(name), `ip saddr ${OUTSIDE}`);
  expect(asked('t1', address, 8080)).toBe('no answer');
  expect(sent()).toBeGreaterThan(0);
  expect(seen()).toBe(0);
});

test('a task cannot send as an ingress_sbox does, whose sources are of elsewhere', () => {
  const sent = counter(sandboxOf('t1'), `ip saddr ${OUTSIDE}`, 'leaving');
  const seen = counter(sandboxOf('t3'), `ip saddr ${OUTSIDE}`);
  const own = () => {
    machines.inside(sandboxOf('t1'), 'ip', 'link', 'set', 'eth0', 'address', macOf('10.0.0.11'));
    // The change of the MAC has taken the next hop.
    const nextHop = ['169.254.1.1', 'lladdr', '02:42:00:00:00:00', 'dev', 'eth0', 'nud', 'permanent'];
    machines.inside(sandboxOf('t1'), 'ip', 'neighbour', 'replace', ...nextHop);
  };
  onTestFinished(own);
  for (const sandbox of ['10.0.0.2', '10.0.0.3']) {
    machines.inside(sandboxOf('t1'), 'ip', 'link', 'set', 'eth0', 'address', macOf(sandbox));
    expect(asked('t1', '10.0.0.13', 8080)).toBe('no answer');
  }
  expect(sent()).toBeGreaterThan(0);
  expect(seen()).toBe(0);
  // The client's own connections go on.
  own();
  expect(machines.ask('client', 'udp', nodeAddress(1), 8080, 3).sort()).toEqual(
    ['t1', 't2', 't3'].map((name) => `${name} ${CLIENT}`),
  );
});

test('a task accepts nothing of other members of the ingress network, nor on ports that are not published', () => {
  for (const port of [80, 8080]) {
    const sent = counter(sandboxOf('t1'), `ip daddr 10.0.0.13 tcp dport ${port}`, 'leaving');
    expect(machines.ask(sandboxOf('t1'), 'tcp', '10.0.0.13', port, 1)).toEqual(['no answer']);
    expect(sent()).toBeGreaterThan(0);
  }
});

test.each([
  [4096, '10.0.0', 't1'],
  [4097, '10.0.1', 't1'],
])('VXLAN of a machine that is no node is dropped: VNI %i', (vni, subnet, name) => {
  const seen = counter(sandboxOf(name), `ip saddr ${subnet}.200`);
  const arrived = counter('node1', `ip saddr 192.0.2.66 udp dport 4789`);
  const device = `vx${vni}`;
  const link = ['type', 'vxlan', 'id', String(vni), 'dstport', '4789', 'local', '192.0.2.66', 'remote', nodeAddress(1)];
  machines.inside('stranger', 'ip', 'link', 'add', device, ...link);
  onTestFinished(() => void machines.inside('stranger', 'ip', 'link', 'delete', device));
  machines.inside('stranger', 'ip', 'address', 'add', `${subnet}.200/24`, 'dev', device);
  machines.inside('stranger', 'ip', 'link', 'set', device, 'up');
  const neighbour = [`${subnet}.11`, 'lladdr', macOf(`${subnet}.11`), 'dev', device];
  machines.inside('stranger', 'ip', 'neighbour', 'replace', ...neighbour);
  expect(machines.ask('stranger', 'udp', `${subnet}.11`, 80, 1)).toEqual(['no answer']);
  expect(arrived()).toBeGreaterThan(0);
  expect(seen()).toBe(0);
});

test('VXLAN with a VNI that is not ours is not ours to drop', () => {
  const vxlan = ['type', 'vxlan', 'id', '9999', 'dstport', '4789'];
  for (const [where, local, remote, address] of [
    ['stranger', '192.0.2.66', nodeAddress(1), '10.99.0.1'],
    ['node1', nodeAddress(1), '192.0.2.66', '10.99.0.2'],
  ] as const) {
    machines.inside(where, 'ip', 'link', 'add', 'vx9999', ...vxlan, 'local', local, 'remote', remote);
    onTestFinished(() => void machines.inside(where, 'ip', 'link', 'delete', 'vx9999'));
    machines.inside(where, 'ip', 'address', 'add', `${address}/24`, 'dev', 'vx9999');
    machines.inside(where, 'ip', 'link', 'set', 'vx9999', 'up');
  }
  machines.inside('stranger', 'busybox', 'ping', '-c1', '-W2', '10.99.0.2');
});

test('from outside, routes into our networks lead nowhere', () => {
  for (const subnet of ['172.18.0.0/16', '10.0.0.0/24', '10.0.1.0/24'])
    machines.inside('client', 'ip', 'route', 'replace', subnet, 'via', nodeAddress(1));
  for (const [address, port] of [
    ['172.18.0.2', 8080],
    ['172.18.0.3', 80],
    ['10.0.0.2', 8080],
    ['10.0.1.11', 80],
  ] as const) {
    const arrived = counter('node1', `ip daddr ${address} tcp dport ${port}`);
    expect([address, machines.ask('client', 'tcp', address, port, 1).join()]).toEqual([
      address,
      expect.stringMatching(/no answer|EHOSTUNREACH|ENETUNREACH/),
    ]);
    expect(arrived()).toBeGreaterThan(0);
  }
});

test('a node that joins is let in, one that has left is not', async () => {
  const guard = () => machines.inside('node1', 'nft', 'list', 'set', 'ip', 'tsswarm', 'vteps');
  const macs = () =>
    machines.inside(
      machines.sandbox('node1', ingressName),
      'nft',
      'list',
      'set',
      'bridge',
      'tsswarm',
      'ingress_sandboxes',
    );
  const driver = drivers[0];
  if (!driver) throw new RangeError('no driver');
  await driver.apply(desiredState({ ...swarm, nodes: [1, 2, 3] }, 1));
  await eventually(() => guard().includes(nodeAddress(3)) && macs().includes(macOf('10.0.0.4')));
  await driver.apply(desiredState(swarm, 1));
  expect(guard()).not.toContain(nodeAddress(3));
  expect(macs()).not.toContain(macOf('10.0.0.4'));
});
