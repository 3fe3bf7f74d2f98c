import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Driver, Machines } from './plane-fixture.js';
import { CLIENT, desiredState, idOf, ingressName, nodeAddress, type Swarm } from './plane-swarm.js';

const nodes = [1, 2, 3];
const names = ['t1', 't2', 't3', 't4'];
const swarm: Swarm = {
  nodes,
  tasks: [
    { name: 't1', node: 1, host: 11 },
    { name: 't2', node: 2, host: 12, hostPorts: [{ protocol: 'tcp', hostAddress: '', published: 8888, target: 80 }] },
    { name: 't3', node: 2, host: 13 },
    { name: 't4', node: 3, host: 14 },
  ],
  services: [
    { protocol: 'tcp', published: 8080, backends: names },
    { protocol: 'udp', published: 8080, backends: names },
    { protocol: 'tcp', published: 8081, backends: [] },
    { protocol: 'udp', published: 8081, backends: [] },
    { protocol: 'tcp', published: 8082, backends: [{ task: 't1', weight: 3 }, 't4', { task: 't2', weight: 0 }] },
    { protocol: 'tcp', published: 8083, backends: ['t1'], hostAddress: '192.0.2.1' },
    { protocol: 'tcp', published: 8084, backends: ['t2'] },
    { protocol: 'udp', published: 8084, backends: ['t2'] },
  ],
};
const machines = new Machines();
const drivers: Driver[] = [];
const nodeName = (n: number) => `node${n}`;
const sandboxOf = (name: string) => {
  const task = swarm.tasks.find((candidate) => candidate.name === name);
  if (!task) throw new TypeError(`no task ${name}`);
  return machines.sandbox(nodeName(task.node), idOf(name));
};
const applyAll = () => Promise.all(drivers.map((driver, i) => driver.apply(desiredState(swarm, i + 1))));
/** Each task's answer, `times` times. */
const answers = (client: string, times: number) =>
  names.flatMap((name) => Array<string>(times).fill(`${name} ${client}`));

beforeAll(async () => {
  machines.addHost('client', `${CLIENT}/24`);
  for (const n of nodes) machines.addHost(nodeName(n), `${nodeAddress(n)}/24`);
  for (const n of nodes) drivers.push(await machines.driver(nodeName(n)));
  for (const report of await applyAll()) expect(report.problems).toEqual([]);
  for (const { name } of swarm.tasks) await machines.serve(sandboxOf(name), name);
});

afterAll(() => machines.close());

test('plane - a second pass changes nothing', async () => {
  const reports = await applyAll();
  expect(reports.map(({ operations, problems }) => ({ operations, problems }))).toEqual(
    nodes.map(() => ({ operations: 0, problems: [] })),
  );
});

describe.each(nodes)('mesh - through node %i', (n) => {
  test.each(['tcp', 'udp'] as const)('%s is spread evenly, and every task sees the client', (protocol) => {
    expect(machines.ask('client', protocol, nodeAddress(n), 8080, 8).sort()).toEqual(answers(CLIENT, 2));
  });

  test('weights count, and weight 0 gets nothing', () => {
    const seen = machines.ask('client', 'tcp', nodeAddress(n), 8082, 8).sort();
    expect(seen).toEqual([...Array<string>(6).fill(`t1 ${CLIENT}`), ...Array<string>(2).fill(`t4 ${CLIENT}`)]);
  });

  test('a service without backends refuses at once', () => {
    expect(machines.ask('client', 'tcp', nodeAddress(n), 8081, 1)).toEqual(['ECONNREFUSED']);
    expect(machines.ask('client', 'udp', nodeAddress(n), 8081, 1)).toEqual(['ECONNREFUSED']);
  });

  test.each(['127.0.0.1', nodeAddress(n), '172.18.0.1'])('the node itself reaches it at %s', (address) => {
    expect(machines.ask(nodeName(n), 'tcp', address, 8080, 4).sort()).toEqual(answers(nodeAddress(n), 1));
    expect(machines.ask(nodeName(n), 'udp', address, 8080, 4).sort()).toEqual(answers(nodeAddress(n), 1));
  });

  test('a task reaches it, itself being a backend', () => {
    expect(machines.ask(sandboxOf('t1'), 'tcp', nodeAddress(n), 8080, 4).sort()).toEqual(answers(nodeAddress(1), 1));
    expect(machines.ask(sandboxOf('t2'), 'udp', nodeAddress(n), 8080, 4).sort()).toEqual(answers(nodeAddress(2), 1));
  });
});

test('mesh - a port of one host address answers there alone', () => {
  expect(machines.ask('client', 'tcp', nodeAddress(1), 8083, 1)).toEqual([`t1 ${CLIENT}`]);
  expect(machines.ask('client', 'tcp', nodeAddress(2), 8083, 1)).toEqual(['ECONNREFUSED']);
  expect(machines.ask(nodeName(1), 'tcp', '127.0.0.1', 8083, 1)).toEqual(['ECONNREFUSED']);
});

test.each(['tcp', 'udp'] as const)(
  'mesh - one %s source port through all nodes to one task is told apart',
  (protocol) => {
    const seen = machines.clash('client', protocol, nodes.map(nodeAddress), 8084);
    expect(seen).toEqual(nodes.map(() => `t2 ${CLIENT}`));
  },
);

test('host port - leads to its task on its node alone, the client seen', () => {
  expect(machines.ask('client', 'tcp', nodeAddress(2), 8888, 1)).toEqual([`t2 ${CLIENT}`]);
  expect(machines.ask('client', 'tcp', nodeAddress(1), 8888, 1)).toEqual(['ECONNREFUSED']);
  expect(machines.ask(nodeName(2), 'tcp', '127.0.0.1', 8888, 1)).toEqual([`t2 ${nodeAddress(2)}`]);
});

test('isolation - only published ports pass: not the gateway bridge, not the ingress network, not the sandbox', () => {
  const gatewayOf = (name: string) =>
    machines
      .json<{ addr_info: { local: string }[] }>(sandboxOf(name), 'ip', '-4', 'address', 'show', 'dev', 'eth1')
      .flatMap(({ addr_info: addresses }) => addresses.map(({ local }) => local))[0] ?? '';
  expect(machines.ask(sandboxOf('t3'), 'tcp', gatewayOf('t2'), 80, 1)[0]).toMatch(/no answer|EHOSTUNREACH/);
  expect(machines.ask(sandboxOf('t3'), 'tcp', '10.0.0.12', 80, 1)).toEqual(['no answer']);
  expect(machines.ask(sandboxOf('t3'), 'tcp', '10.0.0.14', 80, 1)).toEqual(['no answer']);
  expect(machines.ask(nodeName(1), 'tcp', '172.18.0.2', 9999, 1)).toEqual(['no answer']);
  machines.inside(nodeName(1), 'busybox', 'ping', '-c1', '-W1', '172.18.0.2');
});

test('outside - a task goes out under its node address', async () => {
  await machines.serve('client', 'outside', 9000);
  expect(machines.ask(sandboxOf('t4'), 'tcp', CLIENT, 9000, 1)).toEqual([`outside ${nodeAddress(3)}`]);
});

test('names - what ip, bridge and nft show is what the documentation says', () => {
  const overlay = machines.sandbox('node2', ingressName);
  const sandbox = sandboxOf('t2');
  interface Shown {
    readonly ifname: string;
    readonly mtu: number;
    readonly master?: string;
    readonly address: string;
    readonly ifalias?: string;
    readonly linkinfo?: { info_kind?: string; info_data?: Record<string, unknown>; info_slave_data?: object };
  }
  const links = (where: string, ...select: string[]) =>
    machines.json<Shown>(where, 'ip', '-d', 'link', 'show', ...select);
  expect(links(overlay).map(({ ifname }) => ifname)).toEqual(
    expect.arrayContaining(['lo', 'br0', 'vxlan0', expect.stringMatching(/^ve[0-9a-z]{11}$/)]),
  );
  const vxlan = links(overlay).find(({ ifname }) => ifname === 'vxlan0');
  expect(vxlan).toMatchObject({
    mtu: 1450,
    master: 'br0',
    linkinfo: { info_data: { id: 4096, port: 4789, local: '192.0.2.2', learning: false, proxy: true } },
  });
  expect(
    links(sandbox)
      .map(({ ifname }) => ifname)
      .sort(),
  ).toEqual(['eth0', 'eth1', 'lo']);
  expect(links(sandbox).find(({ ifname }) => ifname === 'eth0')).toMatchObject({
    mtu: 1450,
    address: '02:42:0a:00:00:0c',
  });
  expect(
    links('node2', 'master', 'swarm_gwbridge')
      .map(({ ifalias }) => ifalias)
      .sort(),
  ).toEqual(['ingress_sbox eth1', `${idOf('t2')} eth1`, `${idOf('t3')} eth1`]);
  const fdb = machines.json<{ mac: string; dst?: string; ifname: string }>(
    overlay,
    'bridge',
    'fdb',
    'show',
    'dev',
    'vxlan0',
  );
  expect(
    fdb
      .filter(({ dst }) => dst)
      .map(({ mac, dst }) => `${mac} ${dst}`)
      .sort(),
  ).toEqual([
    '02:42:0a:00:00:02 192.0.2.1',
    '02:42:0a:00:00:04 192.0.2.3',
    '02:42:0a:00:00:0b 192.0.2.1',
    '02:42:0a:00:00:0e 192.0.2.3',
  ]);
  const routes = machines.json<{ dst: string; gateway: string; metrics?: { mtu: number }[] }>(sandbox, 'ip', 'route');
  expect(routes.find(({ dst }) => dst === 'default')).toMatchObject({
    gateway: '172.18.0.1',
    dev: 'eth1',
    metrics: [{ mtu: 1450 }],
  });
  const marks = machines.inside(
    machines.sandbox('node2', 'ingress_sbox'),
    'nft',
    'list',
    'map',
    'ip',
    'tsswarm',
    'marks',
  );
  expect(marks).toMatch(/tcp \. 8080 : 0x00000100/);
  expect(marks).toMatch(/udp \. 8080 : 0x00000101/);
});
