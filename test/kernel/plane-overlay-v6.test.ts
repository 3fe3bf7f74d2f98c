import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { macOf } from '../../lib/ip.js';
import type { DesiredState } from '../../netlb/state.js';
import { type Driver, eventually, Machines } from './plane-fixture.js';
import { capture, type Member, type Net, stateOf } from './plane-nets.js';
import { CLIENT, CLIENT6, idOf, nodeAddress, nodeAddress6 } from './plane-swarm.js';

const dual: Net = {
  name: 'dual',
  vni: 5001,
  gateways: ['10.1.0.1/24', '10.1.1.1/24', 'fd00:1::1/64', 'fd00:2::1/64'],
};
const six: Net = { name: 'six', vni: 5002, gateways: ['fd00:6::1/64'], mtu: 1300 };
const VIP = 'fd00:1::200';
const EMPTY = 'fd00:1::201';
const members: readonly Member[] = [
  { name: 'd1', node: 1, net: dual, addresses: ['10.1.0.11', 'fd00:1::11'] },
  { name: 'd2', node: 2, net: dual, addresses: ['10.1.0.12', 'FD00:1:0::12'] },
  { name: 'd3', node: 2, net: dual, addresses: ['10.1.1.13', 'fd00:2::13'] },
  { name: 'd4', node: 1, net: dual, addresses: ['10.1.1.14'] },
  { name: 's1', node: 1, net: six, addresses: ['fd00:6::11'] },
  { name: 's2', node: 2, net: six, addresses: ['fd00:6::12'], gateway: false },
];
const PORT = 4790;
const machines = new Machines();
const drivers: Driver[] = [];
const sandbox = (name: string) =>
  machines.sandbox(`node${members.find((member) => member.name === name)?.node}`, idOf(name));
const overlay = (node: number, net: Net) => machines.sandbox(`node${node}`, `1-${idOf(net.name).slice(0, 10)}`);

/** What a node is asked for, the services of `dual` with these backends, by weight. */
function state(node: number, backends: Readonly<Record<string, number>> = { d1: 1, d2: 1, d3: 1 }): DesiredState {
  const addressOf = (name: string) => members.find((member) => member.name === name)?.addresses[1] ?? '';
  const services = [
    {
      address: VIP,
      backends: Object.entries(backends).map(([name, weight]) => ({ address: addressOf(name), weight })),
    },
    { address: EMPTY, backends: [] },
  ];
  return stateOf(node, members, { port: PORT, services: new Map([[dual, services]]) });
}

async function applyAll(backends?: Readonly<Record<string, number>>): Promise<void> {
  const reports = await Promise.all(drivers.map((driver, i) => driver.apply(state(i + 1, backends))));
  for (const { problems } of reports) expect(problems).toEqual([]);
}

beforeAll(async () => {
  machines.addHost('client', `${CLIENT}/24`);
  machines.addAddress6('client', CLIENT6);
  for (const n of [1, 2]) {
    machines.addHost(`node${n}`, `${nodeAddress(n)}/24`);
    machines.addAddress6(`node${n}`, nodeAddress6(n));
    drivers.push(await machines.driver(`node${n}`));
  }
  await applyAll();
  for (const { name } of members) await machines.serve(sandbox(name), name);
});

afterAll(() => machines.close());

describe('overlay with IPv6', () => {
  test('addresses of both families work at once: none is tentative', () => {
    const [link] = machines.json<{ address: string; addr_info: { local: string; prefixlen: number; scope: string }[] }>(
      sandbox('d2'),
      'ip',
      'address',
      'show',
      'dev',
      'eth0',
    );
    expect(link?.address).toBe(macOf('10.1.0.12'));
    expect(
      link?.addr_info.filter(({ scope }) => scope === 'global').map(({ local, prefixlen }) => `${local}/${prefixlen}`),
    ).toEqual(['10.1.0.12/24', 'fd00:1::12/64']);
    expect(machines.inside(sandbox('d2'), 'ip', '-6', 'address', 'show', 'tentative')).toBe('');
    const [only] = machines.json<{ address: string }>(sandbox('s1'), 'ip', 'link', 'show', 'dev', 'eth0');
    expect(only?.address).toBe(macOf('fd00:6::11'));
  });

  test('the bridge has a gateway in every subnet', () => {
    const addresses = machines
      .json<{ addr_info: { local: string }[] }>(overlay(1, dual), 'ip', 'address', 'show', 'dev', 'br0')
      .flatMap(({ addr_info: list }) => list.map(({ local }) => local));
    expect(addresses).toEqual(['10.1.0.1', '10.1.1.1', 'fd00:2::1', 'fd00:1::1']);
    for (const gateway of ['10.1.0.1', 'fd00:1::1']) machines.inside(sandbox('d1'), 'ping', '-c1', '-W2', gateway);
  });

  test('a remote endpoint is a neighbour of each family and one way for its frames', () => {
    const neighbours = machines
      .json<{ dst: string; lladdr: string }>(
        overlay(1, dual),
        'ip',
        'neigh',
        'show',
        'dev',
        'vxlan0',
        'nud',
        'permanent',
      )
      .map(({ dst, lladdr }) => `${dst} ${lladdr}`);
    expect(neighbours.sort()).toEqual(
      [
        `10.1.0.12 ${macOf('10.1.0.12')}`,
        `10.1.1.13 ${macOf('10.1.1.13')}`,
        `fd00:1::12 ${macOf('10.1.0.12')}`,
        `fd00:2::13 ${macOf('10.1.1.13')}`,
      ].sort(),
    );
    const ways = machines
      .json<{ mac: string; dst?: string }>(overlay(1, dual), 'bridge', 'fdb', 'show', 'dev', 'vxlan0')
      .filter(({ dst }) => dst !== undefined);
    expect(ways.map(({ mac, dst }) => `${mac} ${dst}`).sort()).toEqual([
      `${macOf('10.1.0.12')} 192.0.2.2`,
      `${macOf('10.1.1.13')} 192.0.2.2`,
    ]);
  });

  test.each([
    ['d1', '10.1.0.12', 5001, '10.1.0.11'],
    ['d1', 'fd00:1::12', 5001, 'fd00:1::11'],
    ['s1', 'fd00:6::12', 5002, 'fd00:6::11'],
  ] as const)('%s reaches %s by VXLAN %i, and nobody is asked who that is', async (from, to, vni, source) => {
    const answer = `${from === 's1' ? 's2' : 'd2'} ${source}`;
    const action = () => {
      machines.inside(sandbox(from), 'ping', '-c2', '-W2', to);
      expect(machines.ask(sandbox(from), 'tcp', to, 80, 1)).toEqual([answer]);
      expect(machines.ask(sandbox(from), 'udp', to, 80, 1)).toEqual([answer]);
    };
    const filter = ['-T', 'vxlan', 'udp', 'and', 'port', String(PORT)];
    const frames = await capture(machines, 'node1', filter, action, new RegExp(`> ${source}\\.\\d+: (UDP|VXLAN)`));
    const outer = new RegExp(`: 192\\.0\\.2\\.1\\.\\d+ > 192\\.0\\.2\\.2\\.${PORT}: VXLAN, .*vni ${vni}$`, 'm');
    expect(frames).toMatch(outer);
    expect(frames).toContain(`${source} > ${to}: ICMP`);
    expect(frames).toMatch(new RegExp(`${macOf(source === 'fd00:1::11' ? '10.1.0.11' : source)} > \\S+, ethertype IP`));
    expect(frames).not.toMatch(/neighbor solicitation, .*who has|ARP, Request who-has/);
  });

  test.each([
    ['d1', '10.1.1.13', 'd3 10.1.0.11'],
    ['d3', '10.1.0.12', 'd2 10.1.1.13'],
    ['d1', '10.1.1.14', 'd4 10.1.0.11'],
    ['d4', '10.1.0.11', 'd1 10.1.1.14'],
    ['d1', 'fd00:2::13', 'd3 fd00:1::11'],
    ['d3', 'fd00:1::11', 'd1 fd00:2::13'],
  ])('%s reaches %s in another subnet of its network', (from, to, answer) => {
    expect(machines.ask(sandbox(from), 'tcp', to, 80, 1)).toEqual([answer]);
    expect(machines.ask(sandbox(from), 'udp', to, 80, 1)).toEqual([answer]);
  });

  test('the MTU is what the network asks for, or the underlay less 50', () => {
    const mtu = (where: string, link: string) =>
      machines.json<{ mtu: number }>(where, 'ip', 'link', 'show', 'dev', link).map((shown) => shown.mtu);
    for (const [net, task, expected] of [
      [six, 's1', 1300],
      [dual, 'd1', 1450],
    ] as const) {
      for (const link of ['br0', 'vxlan0']) expect(mtu(overlay(1, net), link)).toEqual([expected]);
      expect(mtu(sandbox(task), 'eth0')).toEqual([expected]);
    }
    machines.inside(sandbox('s1'), 'ping', '-c1', '-W2', '-Mdo', '-s', String(1300 - 48), 'fd00:6::12');
    expect(() =>
      machines.inside(sandbox('s1'), 'ping', '-c1', '-W2', '-Mdo', '-s', String(1301 - 48), 'fd00:6::12'),
    ).toThrow('message too long, mtu: 1300');
  });

  test('another network is out of reach', () => {
    expect(machines.ask(sandbox('d1'), 'tcp', 'fd00:6::12', 80, 1)[0]).toMatch(/no answer|EHOSTUNREACH|ENETUNREACH/);
    expect(machines.ask(sandbox('s2'), 'tcp', 'fd00:1::12', 80, 1)).toEqual(['ENETUNREACH']);
  });

  test('a second pass has nothing to do', async () => {
    for (const [i, driver] of drivers.entries()) expect((await driver.apply(state(i + 1))).operations).toBe(0);
  });
});

describe('virtual address of IPv6', () => {
  test.each(['tcp', 'udp'] as const)('%s is spread evenly, the client itself among the backends', (protocol) => {
    for (const [name, address] of [
      ['d1', 'fd00:1::11'],
      ['d3', 'fd00:2::13'],
    ] as const) {
      const seen = machines.ask(sandbox(name), protocol, VIP, 80, 6).sort();
      expect(seen).toEqual(['d1', 'd1', 'd2', 'd2', 'd3', 'd3'].map((task) => `${task} ${address}`));
    }
  });

  test('answers echo requests', () => {
    for (let i = 0; i < 3; i++) machines.inside(sandbox('d1'), 'ping', '-c1', '-W1', VIP);
  });

  test('refuses at once without backends', () => {
    expect(machines.ask(sandbox('d1'), 'tcp', EMPTY, 80, 1)).toEqual(['ECONNREFUSED']);
    expect(machines.ask(sandbox('d1'), 'udp', EMPTY, 80, 1)).toEqual(['ECONNREFUSED']);
  });

  test('a backend that drains keeps its connection, one that is gone loses it', async () => {
    await applyAll({ d2: 1 });
    const { lines } = machines.hold(sandbox('d1'), VIP, 80);
    await eventually(() => lines.length > 2);
    await applyAll({ d2: 0, d3: 1 });
    expect(machines.ask(sandbox('d1'), 'tcp', VIP, 80, 3)).toEqual(Array<string>(3).fill('d3 fd00:1::11'));
    const before = lines.length;
    await eventually(() => lines.length > before + 3);
    expect(new Set(lines)).toEqual(new Set(['d2 fd00:1::11']));
    await applyAll({ d3: 1 });
    await eventually(() => lines.at(-1)?.startsWith('ended'));
  });
});

describe('way out of IPv6', () => {
  test('tasks with IPv6 leave by the node under its address', async () => {
    await machines.serve('client', 'client');
    expect(machines.ask(sandbox('s1'), 'tcp', CLIENT6, 80, 1)).toEqual([`client ${nodeAddress6(1)}`]);
    expect(machines.ask(sandbox('d2'), 'udp', CLIENT6, 80, 1)).toEqual([`client ${nodeAddress6(2)}`]);
    expect(machines.ask(sandbox('d1'), 'tcp', CLIENT, 80, 1)).toEqual(['client 192.0.2.1']);
  });

  test('those without IPv6, or without a gateway, have none', () => {
    for (const name of ['d4', 's2'])
      expect(machines.inside(sandbox(name), 'ip', '-6', 'route', 'show', 'default')).toBe('');
    expect(machines.ask(sandbox('s2'), 'tcp', CLIENT6, 80, 1)).toEqual(['ENETUNREACH']);
  });

  test('nobody comes in that way, nor from task to task', () => {
    const address = (name: string) =>
      machines
        .json<{ addr_info: { local: string; scope: string }[] }>(
          sandbox(name),
          'ip',
          '-6',
          'address',
          'show',
          'dev',
          'eth1',
        )
        .flatMap(({ addr_info: list }) => list.filter(({ scope }) => scope === 'global').map(({ local }) => local))[0];
    machines.inside('client', 'ip', 'route', 'replace', 'fd00:7473::/64', 'via', nodeAddress6(1));
    expect(machines.ask('client', 'tcp', address('s1') ?? '', 80, 1)[0]).toMatch(/no answer|EHOSTUNREACH|ENETUNREACH/);
    expect(machines.ask(sandbox('d1'), 'tcp', address('s1') ?? '', 80, 1)[0]).toMatch(/no answer|EHOSTUNREACH/);
  });
});
