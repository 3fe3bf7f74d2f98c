import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { eventually, Machines } from '../kernel/plane-fixture.js';
import { CLIENT, desiredState, idOf, nodeAddress, type Swarm } from '../kernel/plane-swarm.js';

/** Of all network namespaces of the machine, which is why this is tried in a machine of its own; each has as many. */
const LIMIT = '/proc/sys/net/netfilter/nf_conntrack_max';
/**
 * A full table looks for what it can give up in eight buckets of the machine's hash table only. There are as many as
 * entries, as is usual: where there were many times more, it would find nothing, and take no new connection.
 */
const BUCKETS = '/sys/module/nf_conntrack/parameters/hashsize';
const MOST = 512;
const NODE = nodeAddress(1);
/** Where managers listen: on the node itself, and on another one, which is at the client's address here. */
const CONTROL = 2377;
const SOURCES = '198.18.0.0/15';
const swarm: Swarm = {
  nodes: [1],
  tasks: ['t1', 't2'].map((name, i) => ({ name, node: 1, host: 11 + i })),
  services: ['t1', 't2'].map((name, i) => ({ protocol: 'tcp', published: 8080 + i, backends: [name] })),
};
let machines: Machines;
const usual = new Map<string, string>();

const tracked = (where: string) => Number(machines.inside(where, 'cat', '/proc/sys/net/netfilter/nf_conntrack_count'));

function set(file: string, value: number): void {
  if (!usual.has(file)) usual.set(file, readFileSync(file, 'utf8'));
  writeFileSync(file, `${value}\n`);
}

/** How many entries a namespace's full table has given up for others. */
function givenUp(where: string): number {
  const [names = '', ...processors] = machines.inside(where, 'cat', '/proc/net/stat/nf_conntrack').trim().split('\n');
  const column = names.split(/\s+/).indexOf('early_drop');
  return processors.reduce((sum, line) => sum + Number.parseInt(line.split(/\s+/)[column] ?? '', 16), 0);
}

function everyPortAnswers(): void {
  expect(machines.ask('client', 'tcp', NODE, CONTROL, 3)).toEqual(Array(3).fill(`own ${CLIENT}`));
  expect(machines.ask('node1', 'tcp', CLIENT, CONTROL, 3)).toEqual(Array(3).fill(`manager ${NODE}`));
  expect(machines.ask('client', 'tcp', NODE, 8081, 3)).toEqual(Array(3).fill(`t2 ${CLIENT}`));
  expect(machines.ask('client', 'tcp', NODE, 8080, 3)).toEqual(Array(3).fill(`t1 ${CLIENT}`));
}

beforeAll(async () => {
  machines = new Machines();
  machines.addHost('client', `${CLIENT}/24`);
  machines.addHost('node1', `${NODE}/24`);
  machines.inside('node1', 'ip', 'route', 'add', SOURCES, 'via', CLIENT);
  machines.inside('client', 'ip', 'route', 'add', 'blackhole', SOURCES);
  const driver = await machines.driver('node1');
  expect((await driver.apply(desiredState(swarm, 1))).problems).toEqual([]);
  await Promise.all([
    ...swarm.tasks.map(({ name }) => machines.serve(machines.sandbox('node1', idOf(name)), name)),
    machines.serve('node1', 'own', CONTROL),
    machines.serve('client', 'manager', CONTROL),
  ]);
}, 480_000);

afterEach(() => {
  for (const [file, value] of usual) writeFileSync(file, value);
});
afterAll(() => machines.close());

test("a full table gives up half-open connections: established ones stay, and new ones are made, managers' too", {
  timeout: 480_000,
}, async () => {
  const held = machines.hold('client', NODE, 8080);
  // As a node's session with a manager is: its heartbeats go from the node, by the same table.
  const session = machines.hold('node1', CLIENT, CONTROL);
  await eventually(() => held.lines.length > 0 && session.lines.length > 0, 120_000);
  // Those who ask start before the flood: beside it that takes much longer.
  everyPortAnswers();
  set(LIMIT, MOST);
  set(BUCKETS, MOST);
  const flood = machines.flood('client', NODE, 8080, { perSecond: 100, seconds: 470, filled: 2 * MOST });
  if (flood.stdout) await once(flood.stdout, 'data');
  for (const where of ['node1', machines.sandbox('node1', 'ingress_sbox')]) {
    expect(tracked(where)).toBeGreaterThan(0.9 * MOST);
    expect(givenUp(where)).toBeGreaterThan(0);
  }
  const before = held.lines.length;
  const beats = session.lines.length;
  everyPortAnswers();
  await eventually(() => held.lines.length > before && session.lines.length > beats, 120_000);
  expect(new Set(held.lines)).toEqual(new Set([`t1 ${CLIENT}`]));
  expect(new Set(session.lines)).toEqual(new Set([`manager ${NODE}`]));
  expect(flood.exitCode, 'the flood went on all the time').toBe(null);
  for (const child of [flood, held.child, session.child]) child.kill();
});
