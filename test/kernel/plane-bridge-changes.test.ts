import { existsSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DesiredState, LocalBridge, Sandbox } from '../../netlb/state.js';
import { alone, bridge, container, endpoint, NODE, OUTSIDE, publish } from './plane-bridges.js';
import { type Driver, eventually, Machines } from './plane-fixture.js';
import { desiredState, idOf, ingressName, type Swarm } from './plane-swarm.js';

const tsswarm0 = bridge('bridge', 17);
const back = bridge('back', 20);
const front = bridge('front', 21);
const bridges = [tsswarm0, back, front];
const swarm: Swarm = {
  nodes: [1],
  networks: ['over'],
  tasks: [{ name: 't1', node: 1, host: 11, networks: ['over'] }],
  services: [{ protocol: 'tcp', published: 9000, backends: ['t1'] }],
};
const a1 = container('a1', [endpoint(tsswarm0, 2)], publish(8080));
const a2 = container('a2', [endpoint(tsswarm0, 3)]);
const inNoSwarm = (...sandboxes: Sandbox[]) => alone(bridges, sandboxes);
const inSwarm = (...sandboxes: Sandbox[]): DesiredState => {
  const state = desiredState(swarm, 1);
  return { ...state, bridges, sandboxes: [...sandboxes, ...state.sandboxes] };
};

const machines = new Machines();
let driver: Driver;
const inside = (name: string) => machines.sandbox('node', idOf(name));
const linksOf = (where: string) =>
  Object.fromEntries(
    machines.json<{ ifname: string; ifindex: number }>(where, 'ip', 'link').map((link) => [link.ifname, link.ifindex]),
  );
const indexOf = (where: string, name: string) => linksOf(where)[name];
/** Applies without problems, until nothing is left to do: the kernel takes its time to drop a namespace's ports. */
async function made(state: DesiredState): Promise<void> {
  const deadline = Date.now() + 5000;
  for (;;) {
    const { problems, operations } = await driver.apply(state);
    expect(problems).toEqual([]);
    if (operations === 0) return;
    if (Date.now() > deadline) throw new Error('there is always something to do');
  }
}

/** A connection that must live through what `change` does: it is asked ten times a second. */
async function lives(from: string, host: string, port: number, change: () => Promise<void>): Promise<void> {
  const { lines, child } = machines.hold(from, host, port);
  await eventually(() => lines.length > 2);
  await change();
  const count = lines.length;
  await eventually(() => lines.length > count + 3);
  expect(lines.filter((line) => line.startsWith('ended'))).toEqual([]);
  child.kill();
}

beforeAll(async () => {
  machines.addHost('outside', `${OUTSIDE}/24`);
  machines.addHost('node', `${NODE}/24`);
  driver = await machines.driver('node', { driftIntervalMs: 500 });
  await made(inNoSwarm(a1, a2));
  for (const name of ['a1', 'a2']) await machines.serve(inside(name), name);
  await machines.serve('outside', 'outside');
}, 60_000);
afterAll(() => machines.close());

test('in no swarm - nothing of a swarm, and the resources of the machine are its own', () => {
  expect(
    Object.keys(linksOf('node'))
      .filter((name) => !name.startsWith('veth'))
      .sort(),
  ).toEqual(['eth0', 'lo', ...bridges.map(({ name }) => name)].sort());
  expect(machines.inside('node', 'nft', 'list', 'table', 'ip', 'tsswarm')).not.toContain('ingress');
});

test('a sandbox without endpoints has lo, up, and nothing else', async () => {
  await made(inNoSwarm(a1, a2, container('none', [])));
  expect(machines.json(inside('none'), 'ip', 'link')).toMatchObject([
    { ifname: 'lo', flags: expect.arrayContaining(['UP']) },
  ]);
  await made(inNoSwarm(a1, a2));
});

test('joining and leaving a swarm - adds and removes what is the swarm’s, and cuts no connection', async () => {
  const before = linksOf('node');
  await lives('outside', NODE, 8080, async () => {
    await lives(inside('a2'), OUTSIDE, 80, async () => {
      await made(inSwarm(a1, a2));
      expect(linksOf('node')).toMatchObject(before);
      const task = machines.sandbox('node', idOf('t1'));
      await machines.serve(task, 't1');
      expect(machines.ask('outside', 'tcp', NODE, 9000, 1)).toEqual([`t1 ${OUTSIDE}`]);
      // The mesh sees the node's address: 172.17.0.1 is on every node.
      expect(machines.ask(inside('a1'), 'tcp', NODE, 9000, 1)).toEqual([`t1 ${NODE}`]);
      expect(machines.ask(task, 'tcp', NODE, 8080, 1)).toEqual(['a1 172.17.0.1']);
      const [gateway] = machines.json<{ addr_info: { local: string }[] }>(task, 'ip', '-4', 'address', 'show', 'eth2');
      const silence = [
        machines.ask(inside('a1'), 'tcp', gateway?.addr_info[0]?.local ?? '', 80, 1),
        machines.ask(task, 'tcp', '172.17.0.2', 80, 1),
      ];
      expect(silence).toEqual([['no answer'], ['no answer']]);

      await made(inNoSwarm(a1, a2));
      await eventually(() => {
        expect(linksOf('node')).toEqual(before);
        return true;
      });
      for (const name of [idOf('t1'), ingressName, 'ingress_sbox'])
        expect(existsSync(machines.sandbox('node', name))).toBe(false);
    });
  });
  expect(machines.inside('node', 'nft', 'list', 'table', 'ip', 'tsswarm')).not.toContain('ingress');
});

test('connect and disconnect - the other interfaces, their addresses and connections stay', async () => {
  const connected = (...more: readonly [LocalBridge, string][]) =>
    inNoSwarm(
      { ...a1, endpoints: [...a1.endpoints, ...more.map(([of, name]) => endpoint(of, 9, { interface: name }))] },
      a2,
    );
  const eth0 = linksOf(inside('a1')).eth0;
  machines.inside(inside('a1'), 'ip', 'address', 'add', '10.99.0.1/32', 'dev', 'eth0');
  await lives('outside', NODE, 8080, async () => {
    await made(connected([back, 'eth1'], [front, 'eth2']));
    const { eth2 } = linksOf(inside('a1'));
    expect(machines.json(inside('a1'), 'ip', '-4', 'address', 'show', 'eth1')).toMatchObject([
      { addr_info: [{ local: '172.20.0.9', prefixlen: 16 }] },
    ]);
    expect(machines.ask('node', 'tcp', '172.21.0.9', 80, 1)).toEqual(['a1 172.21.0.1']);
    await made(connected([front, 'eth2']));
    expect(linksOf(inside('a1'))).toEqual({ lo: 1, eth0, eth2 });
    expect(machines.json(inside('a1'), 'ip', 'route', 'show', 'default')).toMatchObject([{ gateway: '172.17.0.1' }]);
  });
  await made(inNoSwarm(a1, a2));
  expect(linksOf(inside('a1'))).toEqual({ lo: 1, eth0 });
  expect(machines.inside(inside('a1'), 'ip', 'address')).toContain('10.99.0.1');
});

test('connect and disconnect - who loses the bridge of the default route goes out by the next', async () => {
  const both = { ...a1, endpoints: [...a1.endpoints, endpoint(back, 9, { interface: 'eth1' })] };
  await made(inNoSwarm(both, a2));
  await made(inNoSwarm({ ...both, endpoints: both.endpoints.slice(1) }, a2));
  expect(machines.json(inside('a1'), 'ip', 'route', 'show', 'default')).toMatchObject([
    { gateway: '172.20.0.1', dev: 'eth1' },
  ]);
  expect(machines.ask('outside', 'tcp', NODE, 8080, 1)).toEqual([`a1 ${OUTSIDE}`]);
  await made(inNoSwarm({ ...both, endpoints: [] }, a2));
  expect(machines.ask('outside', 'tcp', NODE, 8080, 1)).toEqual(['ECONNREFUSED']);
  await made(inNoSwarm(a1, a2));
  expect(machines.ask('outside', 'tcp', NODE, 8080, 1)).toEqual([`a1 ${OUTSIDE}`]);
});

test('connect and disconnect - the interface on the gateway bridge stays what it is', async () => {
  const over = { networkId: idOf('over'), addresses: ['10.0.1.50'], mac: '02:42:0a:00:01:32' };
  const o1: Sandbox = { ...container('o1', [over], publish(8200)), gateway: true };
  await made(inSwarm(a1, o1));
  await machines.serve(inside('o1'), 'o1');
  const { eth1 } = linksOf(inside('o1'));
  await lives('outside', NODE, 8200, async () => {
    await made(inSwarm(a1, { ...o1, endpoints: [over, endpoint(back, 7, { interface: 'eth2' })] }));
    expect(linksOf(inside('o1'))).toMatchObject({ eth1, eth2: expect.any(Number) });
    await made(inSwarm(a1, { ...o1, endpoints: [endpoint(back, 7, { interface: 'eth2' })] }));
    expect(Object.keys(linksOf(inside('o1'))).sort()).toEqual(['eth1', 'eth2', 'lo']);
    expect(indexOf(inside('o1'), 'eth1')).toBe(eth1);
  });
  await made(inNoSwarm(a1, a2));
});

test('removal - a container that goes is out of the rules, and its connections are cut', async () => {
  const { lines } = machines.hold('outside', NODE, 8080);
  await eventually(() => lines.length > 2);
  await made(inNoSwarm(a2));
  expect(existsSync(inside('a1'))).toBe(false);
  await eventually(() => lines.at(-1)?.startsWith('ended'));
  expect(machines.inside('node', 'nft', 'list', 'map', 'ip', 'tsswarm', 'host_ports')).not.toContain('8080');
  expect(machines.inside('node', 'conntrack', '-L', '--reply-src', '172.17.0.2')).toBe('');
});

test('removal - a bridge that nothing asks for goes, and with the last all that is ours', async () => {
  await made(alone([back], []));
  expect(Object.keys(linksOf('node')).sort()).toEqual(['eth0', 'lo', back.name].sort());
  await made(alone([], []));
  expect(Object.keys(linksOf('node')).sort()).toEqual(['eth0', 'lo']);
  expect(machines.inside('node', 'nft', 'list', 'tables')).toBe('');
});
