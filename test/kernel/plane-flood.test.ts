import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, Machines } from './plane-fixture.js';
import { CLIENT, desiredState, idOf, nodeAddress, type Swarm } from './plane-swarm.js';

const NODE = nodeAddress(1);
const FLOODED = 8080;
const OTHER = 8081;
/** Where managers would listen: a socket of the node itself. */
const CONTROL = 2377;
const SOURCES = '198.18.0.0/15';
const swarm: Swarm = {
  nodes: [1],
  tasks: [
    { name: 't1', node: 1, host: 11 },
    { name: 't2', node: 1, host: 12 },
  ],
  services: [
    { protocol: 'tcp', published: FLOODED, backends: ['t1'] },
    { protocol: 'tcp', published: OTHER, backends: ['t2'] },
  ],
};
let machines: Machines;

const sandboxOf = (name: string) => machines.sandbox('node1', idOf(name));

/** How many SYN cookies a namespace has sent. */
function cookies(where: string): number {
  const [names = [], values = []] = machines
    .inside(where, 'cat', '/proc/net/netstat')
    .split('\n')
    .filter((line) => line.startsWith('TcpExt:'))
    .map((line) => line.split(' '));
  return Number(values[names.indexOf('SyncookiesSent')]);
}

beforeAll(async () => {
  machines = new Machines();
  machines.addHost('client', `${CLIENT}/24`);
  machines.addHost('node1', `${NODE}/24`);
  // Answers to forged sources leave the node, and end where they were sent from.
  machines.inside('node1', 'ip', 'route', 'add', SOURCES, 'via', CLIENT);
  machines.inside('client', 'ip', 'route', 'add', 'blackhole', SOURCES);
  const driver = await machines.driver('node1');
  expect((await driver.apply(desiredState(swarm, 1))).problems).toEqual([]);
  for (const { name } of swarm.tasks) await machines.serve(sandboxOf(name), name);
  await machines.serve('node1', 'control', CONTROL);
});

afterAll(() => machines.close());

test('a flood of SYNs at one port leaves established connections, others and the node itself alive, and the port too', {
  timeout: 120_000,
}, async () => {
  const held = machines.hold('client', NODE, FLOODED);
  await eventually(() => held.lines.length > 0);
  const flood = machines.flood('client', NODE, FLOODED, { perSecond: 2000, seconds: 60, filled: 4000 });
  if (flood.stdout) await once(flood.stdout, 'data');

  const before = held.lines.length;
  expect(machines.ask('client', 'tcp', NODE, OTHER, 5)).toEqual(Array(5).fill(`t2 ${CLIENT}`));
  expect(machines.ask('client', 'tcp', NODE, CONTROL, 5)).toEqual(Array(5).fill(`control ${CLIENT}`));
  expect(machines.ask('client', 'tcp', NODE, FLOODED, 5)).toEqual(Array(5).fill(`t1 ${CLIENT}`));
  await eventually(() => held.lines.length > before + 2);
  expect(new Set(held.lines)).toEqual(new Set([`t1 ${CLIENT}`]));
  expect(flood.exitCode, 'the flood went on all the time').toBe(null);
  held.child.kill();

  // It came as far as the task, whose queue was full: the answers above were to cookies.
  expect(cookies(sandboxOf('t1'))).toBeGreaterThan(0);
  expect(cookies(sandboxOf('t2'))).toBe(0);
  flood.kill();
});

test.each(['ingress_sbox', 't1'])('half-open connections go soon in %s', (name) => {
  const where = name === 'ingress_sbox' ? machines.sandbox('node1', name) : sandboxOf(name);
  for (const state of ['syn_sent', 'syn_recv'])
    expect(machines.inside(where, 'cat', `/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_${state}`)).toBe('30\n');
});
