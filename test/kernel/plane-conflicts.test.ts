import { type ChildProcess, execFileSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { removeNamespace } from '../../netlb/kernel/namespace.js';
import { Driver, eventually, Machines } from './plane-fixture.js';
import { type Member, type Net, stateOf } from './plane-nets.js';
import { idOf, nodeAddress } from './plane-swarm.js';

const GROUP = '29811';
const VNI = 5001;
const net: Net = { name: 'net', vni: VNI, gateways: ['10.1.0.1/24'] };
const members: readonly Member[] = [
  { name: 'a', node: 1, net, addresses: ['10.1.0.11'] },
  { name: 'b', node: 2, net, addresses: ['10.1.0.12'] },
];
const state = stateOf(1, members);
const overlayFile = `1-${idOf('net').slice(0, 10)}`;
const machines = new Machines();
let tests = 0;
/** Each test has a node of its own. */
let node: string;
let driver: Driver;

beforeAll(() => machines.addHost('other', `${nodeAddress(9)}/24`));

beforeEach(async () => {
  node = `node${++tests}`;
  machines.addHost(node, `${nodeAddress(1)}/24`);
  driver = await machines.driver(node);
});

afterEach(() => driver.kill());

afterAll(() => machines.close());

const vxlan = (name: string, where = node, ...more: string[]) =>
  machines.inside(where, 'ip', 'link', 'add', name, ...more, 'type', 'vxlan', 'id', String(VNI), 'dstport', '4789');

const messages = async () => (await driver.apply(state)).problems.map(({ message }) => message);
const made = () => machines.json(machines.sandbox(node, overlayFile), 'ip', 'link', 'show', 'dev', 'vxlan0');

/** A process that is nowhere else but in a namespace. */
async function inhabitant(where: string): Promise<ChildProcess> {
  const child = machines.start(where, 'sleep', '600');
  await eventually(() => execFileSync('cat', [`/proc/${child.pid}/comm`], { encoding: 'utf8' }) === 'sleep\n');
  return child;
}

describe('VNI', () => {
  test('of a foreign device of the node - named, left alone, and taken when that is gone', async () => {
    vxlan('flannel.1');
    expect(await messages()).toEqual([`vxlan0: VNI ${VNI} on port 4789 is taken by flannel.1 of this node`]);
    machines.inside(node, 'ip', 'link', 'delete', 'flannel.1');
    expect(await messages()).toEqual([]);
    expect(made()).toHaveLength(1);
  });

  test('of a foreign device in another namespace - named with its place', async () => {
    vxlan('vx');
    machines.inside(node, 'ip', 'link', 'set', 'vx', 'netns', machines.path('other').replace('/run/netns/', ''));
    expect(await messages()).toEqual([`vxlan0: VNI ${VNI} on port 4789 is taken by vx in ${machines.path('other')}`]);
    machines.inside('other', 'ip', 'link', 'delete', 'vx');
  });

  test('of a device of another node in the same machine - no conflict', async () => {
    vxlan('vx', 'other');
    expect(await messages()).toEqual([]);
    machines.inside('other', 'ip', 'link', 'delete', 'vx');
  });

  test('of two networks - both are named', async () => {
    const twin: Net = { ...net, name: 'twin', gateways: ['10.2.0.1/24'] };
    const guest: Member = { name: 'c', node: 1, net: twin, addresses: ['10.2.0.11'] };
    const { problems } = await driver.apply(stateOf(1, [...members, guest]));
    expect(problems).toEqual([
      {
        subject: { kind: 'overlay', id: idOf('twin') },
        message: `vxlan0: VNI ${VNI} on port 4789 is taken by vxlan0 in ${machines.sandbox(node, overlayFile)}`,
      },
    ]);
  });
});

describe('what a daemon has left', () => {
  test('a device in the node - removed', async () => {
    vxlan('vxlan0', node, 'group', GROUP);
    expect(await messages()).toEqual([]);
    expect(made()).toHaveLength(1);
    expect(machines.json(node, 'ip', 'link', 'show', 'type', 'vxlan')).toEqual([]);
  });

  test('a device in a namespace of the network - adopted with its connections', async () => {
    await messages();
    const [before] = made();
    await driver.kill();
    driver = await machines.driver(node);
    expect(await driver.apply(state)).toMatchObject({ problems: [], operations: 0 });
    expect(made()).toEqual([before]);
  });

  test('a device in a namespace whose file is gone and that a process keeps - removed', async () => {
    await messages();
    const file = machines.sandbox(node, overlayFile);
    const child = await inhabitant(file);
    await driver.kill();
    for (const path of [file, machines.sandbox(node, idOf('a'))]) removeNamespace(path);
    driver = await machines.driver(node);
    expect(await messages()).toEqual([]);
    expect(made()).toHaveLength(1);
    expect(machines.json(`/proc/${child.pid}/ns/net`, 'ip', 'link', 'show', 'type', 'vxlan')).toEqual([]);
  });

  test('a device of a plane with other files - named', async () => {
    await messages();
    const second = await Driver.start(machines.path(node), machines.runRoot('second'), {});
    try {
      const { problems } = await second.apply(state);
      expect(problems.map(({ message }) => message)).toContain(
        `vxlan0: VNI ${VNI} on port 4789 is taken by vxlan0 in ${machines.sandbox(node, overlayFile)}`,
      );
    } finally {
      await second.kill();
    }
  });
});

describe('gateway bridge', () => {
  const route = (verb: string) => machines.inside(node, 'ip', 'route', verb, '172.18.5.0/24', 'dev', 'eth0');
  const bridges = () => machines.json(node, 'ip', 'link', 'show', 'type', 'bridge');

  test('where a route of the node leads - named, and nothing is made until that is gone', async () => {
    route('add');
    expect(await messages()).toEqual([
      'the subnet 172.18.0.0/16 of swarm_gwbridge overlaps the route 172.18.5.0/24 dev eth0',
    ]);
    expect(bridges()).toEqual([]);
    route('delete');
    expect(await messages()).toEqual([]);
    expect(bridges()).toHaveLength(1);
  });

  test('that was there first - stays, and the route is named', async () => {
    await messages();
    route('add');
    const { problems, operations } = await driver.apply(state);
    expect(problems).toEqual([
      {
        subject: { kind: 'bridge', id: 'swarm_gwbridge' },
        message: expect.stringContaining('overlaps the route 172.18.5.0/24 dev eth0, which came later'),
      },
    ]);
    expect(operations).toBe(0);
  });

  test('ways to everywhere and to the networks of overlays - no conflict', async () => {
    for (const destination of ['0.0.0.0/1', '128.0.0.0/1', '10.0.0.0/8'])
      machines.inside(node, 'ip', 'route', 'add', destination, 'dev', 'eth0');
    expect(await messages()).toEqual([]);
  });
});

describe('UDP port', () => {
  test('of a process - named with its number, and taken when that has ended', async () => {
    const child = machines.start(node, 'socat', '-u', 'UDP4-RECV:4789', '/dev/null');
    await eventually(() => machines.inside(node, 'cat', '/proc/net/udp').includes(':12B5'));
    expect(await messages()).toEqual([`vxlan0: UDP port 4789 is taken by process ${child.pid} (socat)`]);
    child.kill('SIGKILL');
    await eventually(() => !machines.inside(node, 'cat', '/proc/net/udp').includes(':12B5'));
    expect(await messages()).toEqual([]);
  });

  test('of a tunnel that is set up otherwise - named', async () => {
    machines.inside(node, 'ip', 'link', 'add', 'cilium', 'type', 'vxlan', 'external', 'dstport', '4789');
    machines.inside(node, 'ip', 'link', 'set', 'cilium', 'up');
    expect(await messages()).toEqual(['vxlan0: UDP port 4789 is taken by cilium of this node']);
  });
});
