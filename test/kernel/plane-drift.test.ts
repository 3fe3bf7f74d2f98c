import { existsSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Driver, eventually, Machines } from './plane-fixture.js';
import { CLIENT, desiredState, idOf, ingressName, nodeAddress, type Swarm } from './plane-swarm.js';

const swarm: Swarm = {
  nodes: [1, 2],
  networks: ['front'],
  tasks: [
    { name: 't1', node: 1, host: 11, networks: ['front'] },
    { name: 't2', node: 2, host: 12, networks: ['front'] },
  ],
  virtual: [{ network: 'front', address: '10.0.1.200', tasks: ['t1', 't2'] }],
  services: [
    { protocol: 'tcp', published: 8080, backends: ['t1', 't2'] },
    { protocol: 'udp', published: 8080, backends: ['t1', 't2'] },
  ],
};
const machines = new Machines();
const drivers: Driver[] = [];
const t1 = machines.sandbox('node1', idOf('t1'));
const sbox = machines.sandbox('node1', 'ingress_sbox');
const overlay = machines.sandbox('node1', ingressName);
const state = (n: number, of = swarm) => desiredState(of, n);

/** All that is ours on node 1 as the standard tools show it, without numbers that grow or are learned. */
function snapshot(): Record<string, unknown> {
  const addresses = (where: string) =>
    machines
      .json<{
        ifname: string;
        mtu: number;
        operstate: string;
        address: string;
        addr_info: { local: string; family: string }[];
      }>(where, 'ip', 'address')
      .map((link) => [
        link.ifname,
        link.mtu,
        link.operstate,
        link.ifname.startsWith('v') ? '' : link.address,
        link.addr_info.filter(({ family }) => family === 'inet').map(({ local }) => local),
      ])
      .sort();
  const rules = (where: string, ...families: string[]) =>
    families.map((family) =>
      machines
        .inside(where, 'nft', '--stateless', 'list', 'table', family, 'tsswarm')
        .replace(/priority \w+/g, '')
        .replace(/\s*elements = \{ 0x[^}]*02:42[^}]*\}/, ''),
    );
  const text = (where: string, ...command: string[]) =>
    machines
      .inside(where, ...command)
      .split('\n')
      .sort();
  // The device's own address is random.
  const fdb = text(overlay, 'bridge', 'fdb', 'show', 'dev', 'vxlan0').filter((line) => !/br0 permanent/.test(line));
  return {
    node: [addresses('node1'), rules('node1', 'ip', 'bridge'), text('node1', 'ip', '-4', 'route', 'show')],
    overlay: [addresses(overlay), fdb, text(overlay, 'ip', 'neigh', 'show', 'nud', 'permanent')],
    sandboxes: [t1, sbox].map((where) => [
      addresses(where),
      rules(where, 'ip', ...(where === t1 ? ['netdev'] : [])),
      text(where, 'ip', '-4', 'route', 'show', 'table', 'all', 'type', 'unicast'),
      text(where, 'ip', 'rule', 'show', 'table', 'main'),
      text(where, 'ip', '-6', 'rule', 'show', 'table', 'main'),
      text(where, 'ip', 'rule', 'show', 'table', '100'),
      text(where, 'ip', 'neigh', 'show', 'nud', 'permanent'),
      text(where, 'sysctl', 'net.ipv4.tcp_early_demux', 'net.ipv4.tcp_fwmark_accept', 'net.ipv4.ip_forward'),
    ]),
  };
}

beforeAll(async () => {
  machines.addHost('client', `${CLIENT}/24`);
  for (const n of swarm.nodes) {
    machines.addHost(`node${n}`, `${nodeAddress(n)}/24`);
    const driver = await machines.driver(`node${n}`, { driftIntervalMs: 500 });
    drivers.push(driver);
    expect((await driver.apply(state(n))).problems).toEqual([]);
    await driver.watch();
  }
  await machines.serve(t1, 't1');
  await machines.serve(machines.sandbox('node2', idOf('t2')), 't2');
});

afterAll(() => machines.close());

const portsOn = (where: string) =>
  machines
    .json<{ ifname: string }>(where, 'ip', 'link', 'show', 'type', 'veth')
    .map(({ ifname }) => ifname)
    .filter((name) => /^v[eg]/.test(name));

describe('drift - deleted by hand, it comes back', () => {
  test.each<[string, () => void]>([
    ['a nft rule', () => machines.inside('node1', 'nft', 'flush', 'chain', 'ip', 'tsswarm', 'publish')],
    ['a nft table of the node', () => machines.inside('node1', 'nft', 'delete', 'table', 'ip', 'tsswarm')],
    ['the sandbox’s rules', () => machines.inside(sbox, 'nft', 'flush', 'ruleset')],
    ['a published port’s mark', () => machines.inside(sbox, 'nft', 'flush', 'map', 'ip', 'tsswarm', 'marks')],
    ['a task’s rules', () => machines.inside(t1, 'nft', 'flush', 'ruleset')],
    [
      'a foreign rule in our chain',
      () => machines.inside(sbox, 'nft', 'insert', 'rule', 'ip', 'tsswarm', 'forward', 'drop'),
    ],
    [
      'a forwarding entry',
      () => machines.inside(overlay, 'bridge', 'fdb', 'del', '02:42:0a:00:00:0c', 'dev', 'vxlan0', 'self'),
    ],
    [
      'a bridge entry',
      () => machines.inside(overlay, 'bridge', 'fdb', 'del', '02:42:0a:00:00:0c', 'dev', 'vxlan0', 'master'),
    ],
    ['a neighbour', () => machines.inside(overlay, 'ip', 'neigh', 'del', '10.0.0.12', 'dev', 'vxlan0')],
    ['the VXLAN device', () => machines.inside(overlay, 'ip', 'link', 'del', 'vxlan0')],
    ['the overlay’s bridge', () => machines.inside(overlay, 'ip', 'link', 'del', 'br0')],
    ['a port of the overlay', () => machines.inside(overlay, 'ip', 'link', 'del', portsOn(overlay)[0] ?? '')],
    ['a port of the gateway bridge', () => machines.inside('node1', 'ip', 'link', 'del', portsOn('node1')[0] ?? '')],
    ['an interface of a task', () => machines.inside(t1, 'ip', 'link', 'del', 'eth0')],
    ['the gateway bridge', () => machines.inside('node1', 'ip', 'link', 'del', 'swarm_gwbridge')],
    ['an address', () => machines.inside(t1, 'ip', 'address', 'flush', 'dev', 'eth0')],
    ['the default route', () => machines.inside(t1, 'ip', 'route', 'del', 'default')],
    ['all routes of a task', () => machines.inside(t1, 'ip', 'route', 'flush', 'table', 'main')],
    ['all routes of the sandbox', () => machines.inside(sbox, 'ip', 'route', 'flush', 'table', 'main')],
    ['the gateway bridge’s route', () => machines.inside('node1', 'ip', 'route', 'del', '172.18.0.0/16')],
    ['the way back’s rule', () => machines.inside(t1, 'ip', 'rule', 'del', 'pref', '100')],
    ['the rules of a task, the kernel’s own too', () => machines.inside(t1, 'ip', 'rule', 'flush')],
    ['the kernel’s own rules of IPv6', () => machines.inside(t1, 'ip', '-6', 'rule', 'flush')],
    ['the kernel’s own rules of the sandbox', () => machines.inside(sbox, 'ip', 'rule', 'flush')],
    ['the way back’s route', () => machines.inside(t1, 'ip', 'route', 'flush', 'table', '100')],
    ['the way back’s neighbour', () => machines.inside(t1, 'ip', 'neigh', 'flush', 'all', 'nud', 'permanent')],
    ['a link set down', () => machines.inside(sbox, 'ip', 'link', 'set', 'eth0', 'down')],
    ['a wrong MTU', () => machines.inside(t1, 'ip', 'link', 'set', 'eth0', 'mtu', '1000')],
    [
      'a port off its bridge',
      () => machines.inside(overlay, 'ip', 'link', 'set', portsOn(overlay)[0] ?? '', 'nomaster'),
    ],
    ['a setting', () => machines.inside(t1, 'sysctl', '-w', 'net.ipv4.tcp_early_demux=1')],
    ['a task’s namespace', () => machines.inside('node1', 'umount', t1)],
    [
      'the file of a task’s namespace',
      () => {
        machines.inside('node1', 'umount', t1);
        rmSync(t1);
      },
    ],
    ['forwarding', () => machines.inside(sbox, 'sysctl', '-w', 'net.ipv4.ip_forward=0')],
  ])('%s', async (_, damage) => {
    const before = snapshot();
    damage();
    await eventually(() => {
      expect(snapshot()).toEqual(before);
      return true;
    });
    // Not how often each: a source port that was used before goes where it went.
    for (const protocol of ['tcp', 'udp'] as const)
      expect(new Set(machines.ask('client', protocol, nodeAddress(1), 8080, 4))).toEqual(
        new Set([`t1 ${CLIENT}`, `t2 ${CLIENT}`]),
      );
  });

  test('an overlay’s namespace', async () => {
    const before = snapshot();
    machines.inside('node1', 'umount', overlay);
    await eventually(() => {
      expect(snapshot()).toEqual(before);
      return true;
    });
    expect(machines.ask('client', 'tcp', nodeAddress(1), 8080, 4)).not.toContain('no answer');
  });
});

test('drift - what is not ours stays', async () => {
  machines.inside('node1', 'nft', 'add', 'table', 'ip', 'mine');
  machines.inside('node1', 'ip', 'link', 'add', 'mine0', 'type', 'bridge');
  machines.inside(t1, 'ip', 'address', 'add', '10.9.9.9/32', 'dev', 'eth0');
  const report = await drivers[0]?.apply(state(1));
  expect(report).toMatchObject({ operations: 0, problems: [] });
  expect(machines.inside('node1', 'nft', 'list', 'tables')).toContain('mine');
  expect(machines.inside('node1', 'ip', 'link')).toContain('mine0');
  expect(machines.inside(t1, 'ip', 'address')).toContain('10.9.9.9');
  machines.inside(t1, 'ip', 'address', 'del', '10.9.9.9/32', 'dev', 'eth0');
});

test('restart - killed and started again, the plane finds all right and connections go on', async () => {
  const { lines, child } = machines.hold('client', nodeAddress(1), 8080);
  await eventually(() => lines.length > 2);
  const before = snapshot();
  await drivers[0]?.kill();
  const driver = await machines.driver('node1', { driftIntervalMs: 500 });
  drivers[0] = driver;
  expect(await driver.apply(state(1))).toMatchObject({ operations: 0, problems: [] });
  expect(snapshot()).toEqual(before);
  const count = lines.length;
  await eventually(() => lines.length > count + 3);
  expect(lines.filter((line) => line.startsWith('ended'))).toEqual([]);
  child.kill();
  await driver.watch();
});

test('marks - ports keep theirs when others come and go', async () => {
  const marks = () =>
    machines
      .inside(sbox, 'nft', 'list', 'map', 'ip', 'tsswarm', 'marks')
      .match(/\w+ \. \d+ : \w+/g)
      ?.sort();
  const services = [...(swarm.services ?? []), { protocol: 'tcp', published: 9000, backends: ['t1'] } as const];
  await drivers[0]?.apply(state(1, { ...swarm, services }));
  await drivers[0]?.apply(state(1, { ...swarm, services: services.slice(1) }));
  expect(marks()).toEqual(['tcp . 9000 : 0x00000102', 'udp . 8080 : 0x00000101']);
  await drivers[0]?.apply(state(1));
  expect(marks()).toEqual(['tcp . 8080 : 0x00000100', 'udp . 8080 : 0x00000101']);
});

test('drain - a backend of weight 0 keeps its connections, one that is gone loses them, UDP too', async () => {
  const with2 = (weight: number | undefined): Swarm => ({
    ...swarm,
    services: (['tcp', 'udp'] as const).map((protocol) => ({
      protocol,
      published: 8080,
      backends: weight === undefined ? ['t1'] : ['t1', { task: 't2', weight }],
    })),
  });
  await drivers[0]?.apply(state(1, { ...swarm, services: [{ protocol: 'tcp', published: 8080, backends: ['t2'] }] }));
  const { lines } = machines.hold('client', nodeAddress(1), 8080);
  await eventually(() => lines.length > 2);
  await drivers[0]?.apply(state(1, with2(0)));
  expect(machines.ask('client', 'tcp', nodeAddress(1), 8080, 4)).toEqual(Array<string>(4).fill(`t1 ${CLIENT}`));
  const count = lines.length;
  await eventually(() => lines.length > count + 3);
  expect(new Set(lines)).toEqual(new Set([`t2 ${CLIENT}`]));
  await drivers[0]?.apply(state(1, with2(undefined)));
  await eventually(() => lines.at(-1)?.startsWith('ended'));
  expect(machines.inside(sbox, 'conntrack', '-L', '--reply-src', '10.0.0.12')).toBe('');
  await drivers[0]?.apply(state(1));
});

test('VNI - a foreign device that has it is named, the rest is made', async () => {
  machines.addHost('node3', `${nodeAddress(3)}/24`);
  machines.inside(
    'node3',
    'ip',
    'link',
    'add',
    'theirs',
    'type',
    'vxlan',
    'id',
    '4096',
    'dstport',
    '4789',
    'local',
    nodeAddress(3),
  );
  const driver = await machines.driver('node3');
  const report = await driver.apply(state(3));
  expect(report.problems).toEqual([
    expect.objectContaining({
      subject: { kind: 'overlay', id: idOf('ingress') },
      message: expect.stringMatching(/VNI 4096 on port 4789 is taken by theirs of this node/),
    }),
  ]);
  expect(machines.inside('node3', 'nft', 'list', 'tables')).toContain('tsswarm');
  machines.inside('node3', 'ip', 'link', 'del', 'theirs');
  expect((await driver.apply(state(3))).problems).toEqual([]);
});

test('foreign gateway bridge - named, not taken', async () => {
  machines.addHost('node4', `${nodeAddress(4)}/24`);
  machines.inside('node4', 'ip', 'link', 'add', 'swarm_gwbridge', 'type', 'bridge');
  const driver = await machines.driver('node4');
  const report = await driver.apply(state(4));
  expect(report.problems).toEqual([
    expect.objectContaining({ message: expect.stringMatching(/swarm_gwbridge is there and not of our making/) }),
  ]);
  expect(
    machines.json('node4', 'ip', '-4', 'address', 'show', 'dev', 'swarm_gwbridge').flatMap(({ addr_info: a }) => a),
  ).toEqual([]);
});

test('removal - a sandbox that is not asked for goes, its ports with it', async () => {
  await drivers[0]?.apply(state(1, { ...swarm, tasks: swarm.tasks.slice(1), services: [], virtual: [] }));
  expect(existsSync(t1)).toBe(false);
  await eventually(() => portsOn('node1').length === 1 && portsOn(overlay).length === 1);
});

test('destroy - nothing is left', async () => {
  await drivers[0]?.destroy();
  expect(existsSync(`${machines.runRoot('node1')}/netns`)).toBe(false);
  const links = machines.json<{ ifname: string }>('node1', 'ip', 'link').map(({ ifname }) => ifname);
  expect(links.sort()).toEqual(['eth0', 'lo', 'mine0']);
  expect(machines.inside('node1', 'nft', 'list', 'tables').trim()).toBe('table ip mine');
});

test('memory - where the kernel is not as it was left, it is read anew and mended in the same pass', async () => {
  machines.addHost('node6', `${nodeAddress(6)}/24`);
  const driver = await machines.driver('node6');
  expect((await driver.apply(state(6))).problems).toEqual([]);
  expect(await driver.apply(state(6))).toMatchObject({ operations: 0, problems: [] });
  const theirs = machines.sandbox('node6', 'ingress_sbox');
  machines.inside(theirs, 'nft', 'flush', 'ruleset');
  machines.inside(theirs, 'ip', 'link', 'del', 'eth0');
  const services = [...(swarm.services ?? []), { protocol: 'tcp', published: 9000, backends: ['t1'] } as const];
  expect((await driver.apply(state(6, { ...swarm, services }))).problems).toEqual([]);
  const marks = machines.inside(theirs, 'nft', 'list', 'map', 'ip', 'tsswarm', 'marks');
  expect(marks.match(/\w+ \. \d+/g)?.sort()).toEqual(['tcp . 8080', 'tcp . 9000', 'udp . 8080']);
  expect(machines.json(theirs, 'ip', 'link', 'show', 'eth0')).toHaveLength(1);
  expect(await driver.apply(state(6, { ...swarm, services }))).toMatchObject({ operations: 0, problems: [] });
});

test('memory - a namespace that was made anew by hand is filled again', async () => {
  machines.addHost('node7', `${nodeAddress(7)}/24`);
  const driver = await machines.driver('node7');
  await driver.apply(state(7));
  const theirs = machines.sandbox('node7', 'ingress_sbox');
  machines.inside('node7', 'umount', theirs);
  machines.inside('node7', 'unshare', `--net=${theirs}`, 'true');
  expect((await driver.apply(state(7))).problems).toEqual([]);
  expect(machines.inside(theirs, 'nft', 'list', 'tables')).toContain('tsswarm');
  expect(machines.json(theirs, 'ip', '-4', 'address', 'show', 'dev', 'eth0')).toHaveLength(1);
});
