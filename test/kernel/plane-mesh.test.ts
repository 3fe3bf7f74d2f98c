import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type Driver, eventually, Machines } from './plane-fixture.js';
import {
  CLIENT,
  CLIENT6,
  desiredState,
  idOf,
  ingressName,
  nodeAddress,
  nodeAddress6,
  type Swarm,
} from './plane-swarm.js';

const nodes = [1, 2, 3];
const names = ['t1', 't2', 't3', 't4'];
const swarm: Swarm = {
  nodes,
  ipv6: true,
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
    { protocol: 'tcp', published: 8085, backends: ['t1'], hostAddress: '2001:db8::1' },
    { protocol: 'tcp', published: 8086, backends: ['t1'], hostAddress: '0.0.0.0' },
    { protocol: 'tcp', published: 8087, backends: ['t1'], hostAddress: '::' },
    { protocol: 'tcp', published: 8088, backends: ['t2', 't4'] },
    { protocol: 'udp', published: 8088, backends: ['t2', 't4'] },
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
async function applyAll(of: Swarm = swarm): Promise<void> {
  const reports = await Promise.all(drivers.map((driver, i) => driver.apply(desiredState(of, i + 1))));
  for (const { problems } of reports) expect(problems).toEqual([]);
}

beforeAll(async () => {
  const addHost = (name: string, address: string, address6: string) => {
    machines.addHost(name, `${address}/24`);
    machines.addAddress6(name, address6);
  };
  addHost('client', CLIENT, CLIENT6);
  for (const n of nodes) addHost(nodeName(n), nodeAddress(n), nodeAddress6(n));
  for (const n of nodes) drivers.push(await machines.driver(nodeName(n)));
  await applyAll();
  for (const { name } of swarm.tasks) await machines.serve(sandboxOf(name), name);
});

afterAll(() => machines.close());

test('plane - a second pass changes nothing', async () => {
  const reports = await Promise.all(drivers.map((driver, i) => driver.apply(desiredState(swarm, i + 1))));
  expect(reports.map(({ operations, problems }) => ({ operations, problems }))).toEqual(
    nodes.map(() => ({ operations: 0, problems: [] })),
  );
});

const families = [
  { family: 4, client: CLIENT, addressOf: nodeAddress, gateway: '172.18.0.1', loopback: ['127.0.0.1'] },
  // The kernel does not let ::1 leave the machine, even when it is translated.
  { family: 6, client: CLIENT6, addressOf: nodeAddress6, gateway: 'fd00:7473::1', loopback: [] },
] as const;

describe.each(families)('mesh over IPv$family', ({ family, client, addressOf, gateway, loopback }) => {
  /** Each task's answer, `times` times. */
  const answers = (seen: string, times: number) =>
    names.flatMap((name) => Array<string>(times).fill(`${name} ${seen}`));

  describe.each(nodes)('through node %i', (n) => {
    test.each(['tcp', 'udp'] as const)('%s is spread evenly, and every task sees the client', (protocol) => {
      expect(machines.ask('client', protocol, addressOf(n), 8080, 8).sort()).toEqual(answers(client, 2));
    });

    test('weights count, and weight 0 gets nothing', () => {
      const seen = machines.ask('client', 'tcp', addressOf(n), 8082, 8).sort();
      expect(seen).toEqual([...Array<string>(6).fill(`t1 ${client}`), ...Array<string>(2).fill(`t4 ${client}`)]);
    });

    test('a service without backends refuses at once', () => {
      expect(machines.ask('client', 'tcp', addressOf(n), 8081, 1)).toEqual(['ECONNREFUSED']);
      expect(machines.ask('client', 'udp', addressOf(n), 8081, 1)).toEqual(['ECONNREFUSED']);
    });

    test.each([...loopback, addressOf(n), gateway])('the node itself reaches it at %s', (address) => {
      expect(machines.ask(nodeName(n), 'tcp', address, 8080, 4).sort()).toEqual(answers(addressOf(n), 1));
      expect(machines.ask(nodeName(n), 'udp', address, 8080, 4).sort()).toEqual(answers(addressOf(n), 1));
    });

    test('a task reaches it, itself being a backend', () => {
      expect(machines.ask(sandboxOf('t1'), 'tcp', addressOf(n), 8080, 4).sort()).toEqual(answers(addressOf(1), 1));
      expect(machines.ask(sandboxOf('t2'), 'udp', addressOf(n), 8080, 4).sort()).toEqual(answers(addressOf(2), 1));
    });
  });

  test('a port of one host address answers there alone, one of a family in that alone', () => {
    const [own, other, all, none] = family === 4 ? [8083, 8085, 8086, 8087] : [8085, 8083, 8087, 8086];
    expect(machines.ask('client', 'tcp', addressOf(1), own, 1)).toEqual([`t1 ${client}`]);
    expect(machines.ask('client', 'tcp', addressOf(2), own, 1)).toEqual(['ECONNREFUSED']);
    expect(machines.ask('client', 'tcp', addressOf(1), other, 1)).toEqual(['ECONNREFUSED']);
    for (const address of loopback) expect(machines.ask(nodeName(1), 'tcp', address, own, 1)).toEqual(['ECONNREFUSED']);
    expect(machines.ask('client', 'tcp', addressOf(2), all, 1)).toEqual([`t1 ${client}`]);
    expect(machines.ask('client', 'tcp', addressOf(2), none, 1)).toEqual(['ECONNREFUSED']);
  });

  test.each(['tcp', 'udp'] as const)('one %s source port through all nodes to one task is told apart', (protocol) => {
    const seen = machines.clash('client', protocol, nodes.map(addressOf), 8084);
    expect(seen).toEqual(nodes.map(() => `t2 ${client}`));
  });

  test('an address that the node gets later answers too', () => {
    const second = family === 4 ? '192.0.2.77' : '2001:db8::77';
    const cidr = `${second}/${family === 4 ? 24 : 64}`;
    machines.inside('node2', 'ip', 'address', 'add', cidr, 'dev', 'eth0', ...(family === 4 ? [] : ['nodad']));
    onTestFinished(() => void machines.inside('node2', 'ip', 'address', 'del', cidr, 'dev', 'eth0'));
    expect(machines.ask('client', 'tcp', second, 8084, 1)).toEqual([`t2 ${client}`]);
  });

  test('segments fit the overlay: the default route has its MTU', () => {
    expect(machines.inside(sandboxOf('t2'), 'ip', `-${family}`, 'route', 'show', 'default')).toMatch(/ mtu 1450\b/);
  });

  test('a backend that drains keeps its connection and its UDP flow; one that is gone loses them', async () => {
    onTestFinished(() => applyAll());
    const with2 = (weight: number | undefined): Swarm => ({
      ...swarm,
      services: (['tcp', 'udp'] as const).map((protocol) => ({
        protocol,
        published: 8088,
        backends: weight === undefined ? ['t4'] : [{ task: 't2', weight }, 't4'],
      })),
    });
    await applyAll({
      ...swarm,
      services: (['tcp', 'udp'] as const).map((protocol) => ({ protocol, published: 8088, backends: ['t2'] })),
    });
    const held = (['tcp', 'udp'] as const).map((protocol) => machines.hold('client', addressOf(3), 8088, protocol));
    onTestFinished(() => {
      for (const { child } of held) child.kill();
    });
    await eventually(() => held.every(({ lines }) => lines.length > 2));
    await applyAll(with2(0));
    expect(machines.ask('client', 'tcp', addressOf(3), 8088, 3)).toEqual(Array<string>(3).fill(`t4 ${client}`));
    const counts = held.map(({ lines }) => lines.length);
    await eventually(() => held.every(({ lines }, i) => lines.length > (counts[i] ?? 0) + 3));
    for (const { lines } of held) expect(new Set(lines)).toEqual(new Set([`t2 ${client}`]));
    await applyAll(with2(undefined));
    await eventually(() => held[0]?.lines.at(-1)?.startsWith('ended'));
    await eventually(() => held[1]?.lines.at(-1) === `t4 ${client}`);
  });
});

describe.each(families)('host port over IPv$family', ({ family, client, addressOf }) => {
  test('leads to its task on its node alone, the client seen', () => {
    expect(machines.ask('client', 'tcp', addressOf(2), 8888, 1)).toEqual([`t2 ${client}`]);
    expect(machines.ask('client', 'tcp', addressOf(1), 8888, 1)).toEqual(['ECONNREFUSED']);
    if (family === 4) expect(machines.ask(nodeName(2), 'tcp', '127.0.0.1', 8888, 1)).toEqual([`t2 ${nodeAddress(2)}`]);
  });
});

describe.each(families)('isolation over IPv$family', ({ family, gateway }) => {
  const ingress = family === 4 ? '10.0.0.' : 'fd00:6::';

  test('only published ports pass: not the gateway bridge, not the ingress network, not the sandbox', () => {
    const gatewayOf = (name: string) =>
      machines
        .json<{ addr_info: { local: string; scope: string }[] }>(
          sandboxOf(name),
          'ip',
          `-${family}`,
          'address',
          'show',
          'dev',
          'eth1',
        )
        .flatMap(({ addr_info: list }) =>
          list.filter(({ scope }) => scope === 'global').map(({ local }) => local),
        )[0] ?? '';
    expect(machines.ask(sandboxOf('t3'), 'tcp', gatewayOf('t2'), 80, 1)[0]).toMatch(/no answer|EHOSTUNREACH/);
    expect(machines.ask(sandboxOf('t3'), 'tcp', `${ingress}12`, 80, 1)).toEqual(['no answer']);
    expect(machines.ask(sandboxOf('t3'), 'tcp', `${ingress}14`, 80, 1)).toEqual(['no answer']);
    const sandbox = gateway.replace(/1$/, '2');
    expect(machines.ask(nodeName(1), 'tcp', sandbox, 9999, 1)).toEqual(['no answer']);
    machines.inside(nodeName(1), 'ping', '-c1', '-W1', sandbox);
  });
});

test('a task of the ingress network does not hear its neighbours’ link-local addresses either', () => {
  const [link] = machines
    .json<{ addr_info: { local: string; scope: string }[] }>(sandboxOf('t2'), 'ip', '-6', 'address', 'show', 'eth0')
    .flatMap(({ addr_info: list }) => list.filter(({ scope }) => scope === 'link'));
  expect(machines.ask(sandboxOf('t3'), 'tcp', `${link?.local}%eth0`, 80, 1)).toEqual(['no answer']);
  machines.inside(sandboxOf('t3'), 'ping', '-c1', '-W2', `${link?.local}%eth0`);
});

test('outside - a task goes out under its node address', async () => {
  await machines.serve('client', 'outside', 9000);
  expect(machines.ask(sandboxOf('t4'), 'tcp', CLIENT, 9000, 1)).toEqual([`outside ${nodeAddress(3)}`]);
  expect(machines.ask(sandboxOf('t4'), 'tcp', CLIENT6, 9000, 1)).toEqual([`outside ${nodeAddress6(3)}`]);
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
