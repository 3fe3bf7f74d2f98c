import { afterAll, beforeEach, expect, test } from 'vitest';
import type { ApplyProblem, LocalBridge } from '../../netlb/state.js';
import { alone, bridge, container, dual, endpoint, NODE, NODE6, OUTSIDE, publish } from './plane-bridges.js';
import { type Driver, Machines } from './plane-fixture.js';

const tsswarm0 = bridge('bridge', 17);
const front = bridge('front', 19, dual(19));
const a1 = container('a1', [endpoint(tsswarm0, 2)]);
const f1 = container('f1', [endpoint(front, 2)]);

const machines = new Machines();
let driver: Driver;
/** Every test has a node of its own, each time that it is tried. */
let node = '';

beforeEach(async ({ task }) => {
  node = `n${task.id.replace(/\W/g, '').slice(-7)}${task.result?.retryCount ?? 0}`;
  machines.addHost(node, `${NODE}/24`);
  machines.addAddress6(node, NODE6);
  driver = await machines.driver(node);
});
afterAll(() => machines.close());

const ip = (...command: string[]) => machines.inside(node, 'ip', ...command);
const sandboxOf = (id: string) => machines.sandbox(node, id);
const words = (problems: readonly ApplyProblem[]) =>
  problems.map(({ subject: { kind, id }, message }) => `${kind} ${id.replace(/0+$/, '')}: ${message}`);
const isUp = (of: LocalBridge): boolean =>
  machines.json<{ ifname: string }>(node, 'ip', 'link').some(({ ifname }) => ifname === of.name);
/** All that the standard tools show of the node's namespace, without counters, and what the kernel finds out by itself. */
const everything = () => [ip('-d', 'link'), ip('address').replaceAll(' tentative', ''), ip('route'), ip('-6', 'route')];

test('a foreign bridge of the name - is named and left alone, and so is its container; the rest is made', async () => {
  ip('link', 'add', 'tsswarm0', 'type', 'bridge');
  const before = [ip('-d', 'link', 'show', 'tsswarm0'), ip('address', 'show', 'tsswarm0')];
  const { problems } = await driver.apply(alone([tsswarm0, front], [a1, f1]));
  expect(words(problems)).toEqual([
    'bridge bridge: tsswarm0 is there and not of our making: a bridge that docker or someone else made; ' +
      'remove it (ip link delete tsswarm0) to let this node have its own',
    `sandbox a1: eth0 belongs to network ${tsswarm0.id}, which this node does not have`,
  ]);
  expect([ip('-d', 'link', 'show', 'tsswarm0'), ip('address', 'show', 'tsswarm0')]).toEqual(before);
  machines.inside(sandboxOf(f1.id), 'busybox', 'ping', '-c1', '-W2', '172.19.0.1');

  ip('link', 'delete', 'tsswarm0');
  expect((await driver.apply(alone([tsswarm0, front], [a1, f1]))).problems).toEqual([]);
  machines.inside(sandboxOf(a1.id), 'busybox', 'ping', '-c1', '-W2', '172.17.0.1');
});

test.each<[string, () => void, string]>([
  [
    'an address of another interface',
    () => {
      ip('link', 'add', 'docker0', 'type', 'bridge');
      ip('address', 'add', '172.17.0.1/16', 'dev', 'docker0');
    },
    'bridge bridge: the subnet 172.17.0.0/16 of tsswarm0 overlaps the address 172.17.0.1/16 of docker0',
  ],
  [
    'a route of a VPN',
    () => ip('route', 'add', '172.16.0.0/12', 'via', '192.0.2.254'),
    'bridge bridge: the subnet 172.17.0.0/16 of tsswarm0 overlaps the route 172.16.0.0/12 via 192.0.2.254 dev eth0',
  ],
  [
    'a route to nowhere',
    () => ip('route', 'add', 'blackhole', '172.17.3.0/24'),
    'bridge bridge: the subnet 172.17.0.0/16 of tsswarm0 overlaps the route 172.17.3.0/24',
  ],
])('%s - refuses the bridge, and nothing foreign is touched', async (_, occupy, message) => {
  occupy();
  const before = everything();
  const { problems } = await driver.apply(alone([tsswarm0], [a1]));
  expect(words(problems)[0]).toBe(message);
  expect(words(problems)[1]).toMatch(/^sandbox a1: /);
  expect(everything()).toEqual(before);
});

test('IPv6 subnets, and those of two networks, conflict as well; ways to everywhere do not', async () => {
  ip('route', 'add', '0.0.0.0/1', 'via', '192.0.2.254');
  ip('route', 'add', '128.0.0.0/1', 'via', '192.0.2.254');
  ip('-6', 'route', 'add', 'fd00:19::/32', 'via', '2001:db8::fe');
  const twin = bridge('twin', 17);
  const { problems } = await driver.apply(alone([tsswarm0, front, twin], []));
  expect(words(problems)).toEqual([
    `bridge front: the subnet fd00:19::/64 of ${front.name} overlaps the route fd00:19::/32 via 2001:db8::fe dev eth0`,
    `bridge twin: the subnet 172.17.0.0/16 of ${twin.name} overlaps the network of tsswarm0`,
  ]);
  expect([tsswarm0, front, twin].map(isUp)).toEqual([true, false, false]);
});

test('what comes later is told, and takes nothing away from those who were first', async () => {
  await driver.apply(alone([tsswarm0], [a1]));
  const a1File = sandboxOf(a1.id);
  ip('route', 'add', '172.17.8.0/24', 'via', '192.0.2.254');
  await driver.kill();
  driver = await machines.driver(node);
  const { problems, operations } = await driver.apply(alone([tsswarm0], [a1]));
  expect(operations).toBe(0);
  expect(words(problems)).toEqual([
    'bridge bridge: the subnet 172.17.0.0/16 of tsswarm0 overlaps the route 172.17.8.0/24 via 192.0.2.254 dev eth0, ' +
      'which came later: some of its addresses may be out of reach',
  ]);
  machines.inside(a1File, 'busybox', 'ping', '-c1', '-W2', '172.17.0.1');
});

test('ports - what a process or another container has is refused with the reason, whoever is in the list first', async () => {
  const local = await machines.serve(node, 'local', 8080);
  const f8080 = container('f1', [endpoint(front, 2)], publish(8080));
  const taken = ['tcp', 'udp'].map(
    (protocol) =>
      `sandbox f1: port 8080/${protocol} is in use by node (pid ${local.pid}) of this node: it is not published here`,
  );
  const over = async (...sandboxes: Parameters<typeof alone>[1]) =>
    [...new Set(words((await driver.apply(alone([tsswarm0, front], sandboxes))).problems))].sort();
  expect(await over(f8080)).toEqual(taken);
  expect(machines.ask(node, 'tcp', NODE6, 8080, 1)).toEqual([`local ${NODE6}`]);

  const first = container('f1', [endpoint(front, 2)], publish(8090));
  expect(await over(first)).toEqual([]);
  const contested = ['tcp', 'udp'].map(
    (protocol) => `sandbox a1: port 8090/${protocol} of ${NODE} is published by container ${first.id} already`,
  );
  expect(await over({ ...a1, hostPorts: publish(8090, NODE) }, first)).toEqual(contested);
  await machines.serve(sandboxOf(first.id), 'f1');
  expect(machines.ask(node, 'tcp', NODE, 8090, 1)).toEqual([`f1 ${NODE}`]);
  expect(await over({ ...a1, hostPorts: publish(8091, '::') })).toEqual(
    ['tcp', 'udp'].map(
      (protocol) => `sandbox a1: port 8091/${protocol} of ::: the sandbox has no IPv6 address to lead to`,
    ),
  );
});

test('a firewall that drops what is forwarded - is named with what to allow, and that is enough', async () => {
  const nft = (text: string) => machines.inside(node, 'nft', text);
  const iptables = (...args: string[]) => machines.inside(node, 'iptables-nft', ...args);
  iptables('-P', 'FORWARD', 'DROP');
  iptables('-A', 'FORWARD', '-i', 'docker0', '-j', 'ACCEPT');
  nft('add table inet strict; add chain inet strict forward { type filter hook forward priority 10; policy drop; }');
  nft(
    'add rule inet strict forward iifname { "docker0", "eth0" } accept; add rule inet strict forward iifname "tss*" accept',
  );
  machines.addHost(`${node}o`, `${OUTSIDE}/24`);
  await machines.serve(`${node}o`, 'outside');
  const state = alone([tsswarm0, front], [a1]);
  const { problems } = await driver.apply(state);
  expect(problems.map(({ subject }) => subject.id)).toEqual([tsswarm0.id, front.id, front.id]);
  expect(problems[0]?.message).toBe(
    'the chain FORWARD of table ip filter drops what is forwarded and has no rule for tsswarm0: let it through (nft ' +
      'insert rule ip filter FORWARD iifname tsswarm0 accept; nft insert rule ip filter FORWARD oifname tsswarm0 accept)',
  );
  expect(problems[2]?.message).toContain(`the chain forward of table inet strict drops`);
  expect(machines.ask(sandboxOf(a1.id), 'tcp', OUTSIDE, 80, 1)).toEqual(['no answer']);

  for (const { message } of problems)
    for (const [command] of message.matchAll(/(?<=nft )insert rule [^;)]*/g)) nft(command);
  expect(machines.ask(sandboxOf(a1.id), 'tcp', OUTSIDE, 80, 1)).toEqual([`outside ${NODE}`]);
  await driver.kill();
  driver = await machines.driver(node);
  expect((await driver.apply(state)).problems).toEqual([]);
});
