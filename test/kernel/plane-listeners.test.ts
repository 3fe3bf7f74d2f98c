import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { HostPort } from '../../netlb/state.js';
import { eventually, Machines } from './plane-fixture.js';
import { CLIENT, desiredState, INGRESS, idOf, nodeAddress, type Swarm } from './plane-swarm.js';

const port = { published: 8080, target: 80, hostAddress: '' } as const;
const hostPorts: HostPort[] = (['tcp', 'udp'] as const).map((protocol) => ({ ...port, protocol }));
const services = hostPorts.map(({ protocol }) => ({ ...port, protocol, backends: ['t1'] }));
const mesh: Swarm = { nodes: [1], tasks: [{ name: 't1', node: 1, host: 11 }], services };
const host: Swarm = { nodes: [1], tasks: [{ name: 't1', node: 1, host: 11, hostPorts }] };
const INGRESS_SUBJECT = { kind: 'ingress', id: INGRESS };
const problems = (subject: object, { pid }: ChildProcess, words: string) =>
  ['tcp', 'udp'].map((protocol) => ({
    subject,
    message: `port 8080/${protocol} is in use by node (pid ${pid}) of this node${words}`,
    port: { protocol, published: 8080, hostAddress: '0.0.0.0' },
  }));
let machines: Machines;

beforeEach(() => {
  machines = new Machines();
  machines.addHost('client', `${CLIENT}/24`);
  machines.addHost('node1', `${nodeAddress(1)}/24`);
});

afterEach(() => machines.close());

// A task does not start without its own ports; one that has them keeps running whatever a process does.
test.each<[string, Swarm, object]>([
  ['the mesh', mesh, INGRESS_SUBJECT],
  ['mode host', host, { kind: 'sandbox', id: idOf('t1') }],
])('a port of a process is published by %s when the process has gone', async (_, swarm, subject) => {
  const answers = (from: string, address: string) =>
    new Set((['tcp', 'udp'] as const).flatMap((protocol) => machines.ask(from, protocol, address, 8080, 1)));
  const local = await machines.serve('node1', 'local', 8080);
  const driver = await machines.driver('node1', { driftIntervalMs: 500 });
  expect((await driver.apply(desiredState(swarm, 1))).problems).toEqual(
    problems(subject, local, ': it is not published here'),
  );
  await machines.serve(machines.sandbox('node1', idOf('t1')), 't1');
  expect(answers('client', nodeAddress(1))).toEqual(new Set([`local ${CLIENT}`]));
  expect(answers('node1', '127.0.0.1')).toEqual(new Set(['local 127.0.0.1']));

  await driver.watch();
  local.kill();
  await once(local, 'exit');
  await eventually(() => {
    expect(answers('client', nodeAddress(1))).toEqual(new Set([`t1 ${CLIENT}`]));
    return true;
  });

  const lateProcess = await machines.serve('node1', 'late', 8080);
  const { problems: late } = await driver.repair();
  expect(late).toEqual(
    problems(INGRESS_SUBJECT, lateProcess, ' too: it was published first, the process gets nothing'),
  );
  expect(answers('client', nodeAddress(1))).toEqual(new Set([`t1 ${CLIENT}`]));
});

test('a process at one address keeps the port there, and all others publish it', async () => {
  const local = await machines.serve('node1', 'local', 8080, '127.0.0.1');
  const driver = await machines.driver('node1', { driftIntervalMs: 500 });
  const told = ['tcp', 'udp'].map((protocol) => ({
    subject: INGRESS_SUBJECT,
    message: `port 8080/${protocol} of 127.0.0.1 is in use by node (pid ${local.pid}) of this node: it is not published there`,
    port: { protocol, published: 8080, hostAddress: '127.0.0.1' },
  }));
  for (const _ of ['made', 'as it was']) expect((await driver.apply(desiredState(mesh, 1))).problems).toEqual(told);
  await machines.serve(machines.sandbox('node1', idOf('t1')), 't1');
  const answers = (from: string, address: string) =>
    (['tcp', 'udp'] as const).flatMap((protocol) => machines.ask(from, protocol, address, 8080, 1));
  expect(answers('client', nodeAddress(1))).toEqual([`t1 ${CLIENT}`, `t1 ${CLIENT}`]);
  expect(answers('node1', '127.0.0.1')).toEqual(['local 127.0.0.1', 'local 127.0.0.1']);
  await driver.watch();
  local.kill();
  await once(local, 'exit');
  await eventually(() => answers('node1', '127.0.0.1').every((answer) => answer.startsWith('t1 ')));
});

test('a port that was given up is looked at again when it is asked for again', async () => {
  const driver = await machines.driver('node1');
  expect((await driver.apply(desiredState(mesh, 1))).problems).toEqual([]);
  for (const without of [
    { ...mesh, services: [] },
    { ...mesh, tasks: [], services: [] },
  ]) {
    await driver.apply(desiredState(without, 1));
    const process = await machines.serve('node1', 'local', 8080);
    expect((await driver.apply(desiredState(mesh, 1))).problems).toEqual(
      problems(INGRESS_SUBJECT, process, ': it is not published here'),
    );
    process.kill();
    await once(process, 'exit');
    expect((await driver.apply(desiredState(mesh, 1))).problems).toEqual([]);
  }
});
