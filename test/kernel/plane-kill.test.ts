/**
 * SIGKILL at the plane's system calls, one after another, by strace's fault injection: what it leaves in the
 * kernel, the next process completes or removes. Every KILL_STRIDE-th call that changes something is tried, beginning
 * with the one that TSSWARM_KILL_OFFSET says (printed); all of them when TSSWARM_LONG is set.
 */
import { mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { errnoOf } from '../../lib/errors.js';
import type { DesiredState } from '../../netlb/state.js';
import { alone, bridge, container, dual, endpoint, publish } from './plane-bridges.js';
import { type Driver, Machines } from './plane-fixture.js';
import { CLIENT, desiredState, idOf, ingressName, nodeAddress, type Swarm } from './plane-swarm.js';

/** All by which the kernel's network is changed; some of them only read. */
const CALLS = ['sendto', 'sendmsg', 'mount', 'umount2', 'unshare', 'unlink', 'openat'];
const LONG = Boolean(process.env.TSSWARM_LONG);
const KILL_STRIDE = LONG ? 1 : 25;
const TIME_LIMIT = LONG ? 3_600_000 : 120_000;
const offset = Number(process.env.TSSWARM_KILL_OFFSET ?? Math.floor(Date.now() / 1000) % KILL_STRIDE);

const full: Swarm = {
  nodes: [1, 2],
  networks: ['back'],
  virtual: [{ network: 'back', address: '10.0.1.200', tasks: ['t1', 't2'] }],
  tasks: [
    { name: 't1', node: 1, host: 11, networks: ['back'] },
    { name: 't2', node: 1, host: 12, networks: ['back'], hostPorts: [hostPort(9000)] },
    { name: 't3', node: 2, host: 13, networks: ['back'] },
  ],
  services: [{ protocol: 'tcp', published: 8080, backends: ['t1', 't2', 't3'] }],
};
/** One task and its port gone, another one there. */
const other: Swarm = {
  ...full,
  tasks: [...full.tasks.slice(0, 1), ...full.tasks.slice(2), { name: 't4', node: 1, host: 14, networks: ['back'] }],
  virtual: [{ network: 'back', address: '10.0.1.200', tasks: ['t1', 't4'] }],
  services: [{ protocol: 'tcp', published: 8081, backends: ['t1', 't4'] }],
};
/** With containers of the node's own on bridges: one goes to another bridge, one comes, with its port. */
const near = bridge('near', 19, dual(19));
const far = bridge('far', 20, { interContainer: false });
const FULL: DesiredState = {
  ...desiredState(full, 1),
  bridges: [near, far],
  sandboxes: [
    ...desiredState(full, 1).sandboxes,
    container('c1', [endpoint(near, 2), endpoint(far, 2)], publish(9001)),
  ],
};
const OTHER: DesiredState = {
  ...desiredState(other, 1),
  bridges: [near],
  sandboxes: [
    ...desiredState(other, 1).sandboxes,
    container('c1', [endpoint(near, 2)]),
    container('c2', [endpoint(near, 3)], publish(9001)),
  ],
};
const ALONE = alone(OTHER.bridges, OTHER.sandboxes.slice(-2));
const nothing: DesiredState = {
  ...desiredState(full, 1),
  overlays: [],
  bridges: [],
  sandboxes: [],
  ingress: undefined,
  zones: [],
};

function hostPort(published: number) {
  return { protocol: 'tcp', hostAddress: '', published, target: 80 } as const;
}

let machines: Machines;

beforeAll(() => {
  process.stderr.write(`kills at every ${KILL_STRIDE}th call from ${offset}: TSSWARM_KILL_OFFSET=${offset}\n`);
  machines = new Machines();
  machines.addHost('client', `${CLIENT}/24`);
  machines.addHost('node1', `${nodeAddress(1)}/24`);
}, 60_000);
afterAll(() => machines.close());

interface Address {
  readonly ifname: string;
  readonly mtu: number;
  readonly addr_info: readonly { readonly local: string }[];
}

/** What shows a namespace's state, and the lines that each of them makes of it. */
const SHOWN: readonly (readonly [command: string, lines: (text: string) => readonly string[]])[] = [
  ['nft --stateless list ruleset', (text) => text.split('\n')],
  [
    'ip -j -4 address',
    (text) =>
      parsed<Address>(text).map(({ ifname, mtu, addr_info: list }) =>
        JSON.stringify([ifname, mtu, list.map(({ local }) => local)]),
      ),
  ],
  [
    'ip -j link',
    (text) => parsed<{ ifname: string; master?: string }>(text).map(({ ifname, master }) => `${ifname} in ${master}`),
  ],
  [
    'bridge -j fdb',
    (text) =>
      parsed<{ mac: string; ifname: string; dst?: string }>(text)
        .filter(({ dst }) => dst !== undefined)
        .map(({ mac, ifname, dst }) => `${mac} ${ifname} ${dst}`),
  ],
  // A bridge loses its carrier some time after its last port.
  ['ip route', (text) => text.replaceAll(' linkdown', '').split('\n')],
  ['ip neigh show nud permanent', (text) => text.split('\n')],
];
const BETWEEN = '==';

function parsed<T>(text: string): T[] {
  return text.trim() === '' ? [] : (JSON.parse(text) as T[]);
}

/** What the node's namespaces show, without numbers that the kernel gives as it likes. */
function kernel(): string[] {
  const namespaces = ['1-back000000', ingressName, 'ingress_sbox', ...['t1', 't2', 't4', 'c1', 'c2'].map(idOf)];
  const files = namespaces.map((name) => machines.sandbox('node1', name)).filter(isNamespace);
  const script = SHOWN.map(([command]) => command).join(`; echo ${BETWEEN}; `);
  return ['node1', ...files].flatMap((where) => {
    const texts = machines.inside(where, 'sh', '-ec', script).split(`${BETWEEN}\n`);
    expect(texts).toHaveLength(SHOWN.length);
    return SHOWN.flatMap(([, lines], i) => lines(texts[i] ?? ''))
      .map((line) => `${where.split('/').at(-1)}: ${line.trim()}`)
      .sort();
  });
}

/** What the kernel is when it is as wanted, or at last. */
async function untilKernelIs(wanted: readonly string[]): Promise<string[]> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const is = kernel();
    if (is.join('\n') === wanted.join('\n') || Date.now() > deadline) return is;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const NSFS_MAGIC = 0x6e736673;

/** Whether there is such a file, and a namespace is mounted on it. */
function isNamespace(file: string): boolean {
  try {
    return statfsSync(file).type === NSFS_MAGIC;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

const strace = (...more: string[]) => ['strace', '-f', '-qq', '-e', `trace=${CALLS}`, ...more];
/** strace counts each call by itself, and by threads. */
const killAt = ({ name, number }: Call) =>
  strace('-o', '/dev/null', '-e', `inject=${name}:signal=SIGKILL:when=${number}`);

interface Call {
  readonly name: string;
  readonly number: number;
}

/** A process that finds the kernel in this state. */
async function from(before: DesiredState, wrapper: readonly string[] = []): Promise<Driver> {
  const preparation = await machines.driver('node1');
  expect((await preparation.apply(before)).problems).toEqual([]);
  await preparation.kill();
  return machines.driver('node1', {}, wrapper);
}

interface TracedCall extends Call {
  readonly changes: boolean;
}

/** From lines as `123 sendto(4, …`: the calls of the thread that made most of them, the plane's. */
function callsIn(file: string): TracedCall[] {
  const threads = new Map<string, TracedCall[]>();
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const [, thread = '', name, args = ''] = /^(\d+) +(\w+)\((.*)/.exec(line) ?? [];
    if (name === undefined) continue;
    const calls = threads.get(thread) ?? [];
    threads.set(thread, calls);
    const number = calls.filter((call) => call.name === name).length + 1;
    calls.push({ name, number, changes: changes(name, args) });
  }
  return [...threads.values()].reduce((most, calls) => (calls.length > most.length ? calls : most), []);
}

/** Killed at a call, a process has not made it: at one that only reads it leaves what it leaves at the next change. */
function changes(name: string, args: string): boolean {
  if (name === 'openat') return /\bO_(WRONLY|RDWR|CREAT)\b/.test(args);
  // One message that asks for no acknowledgement; what changes something asks, or is one of several messages.
  if (name.startsWith('send')) return !/^\d+, [^[]*\[\{/.test(args) || args.includes('NLM_F_ACK');
  return true;
}

/** The calls that change something, and the last one, of a process that goes from one state to the other. */
async function callsBetween(before: DesiredState, after: DesiredState): Promise<Call[]> {
  const folder = mkdtempSync(join(tmpdir(), 'tsswarm-strace-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'calls');
  const driver = await from(before, strace('-o', file));
  const startup = callsIn(file).length;
  await driver.apply(after);
  const calls = callsIn(file).slice(startup);
  await driver.kill();
  return calls.filter((call, i) => call.changes || i === calls.length - 1);
}

/** The kernel takes its time to drop a namespace: ports of it that are still there are removed once more. */
async function settled(driver: Driver, state: DesiredState): Promise<void> {
  const deadline = Date.now() + 5000;
  while ((await driver.apply(state)).operations > 0)
    if (Date.now() > deadline) throw new Error('there is always something to do');
}

async function reference(after: DesiredState): Promise<string[]> {
  const driver = await machines.driver('node1');
  await driver.apply(nothing);
  expect((await driver.apply(after)).problems).toEqual([]);
  await driver.kill();
  return kernel();
}

test.each([
  ['building', nothing, FULL],
  ['changing', FULL, OTHER],
  ['leaving a swarm', OTHER, ALONE],
  ['removing', FULL, nothing],
])(
  'killed while %s - the next process makes the same of it',
  async (_, before, after) => {
    const wanted = await reference(after);
    const calls = await callsBetween(before, after);
    let killed = 0;
    let driver = await machines.driver('node1');
    for (const call of calls.filter((_, i) => i % KILL_STRIDE === offset % KILL_STRIDE)) {
      const at = `killed at ${call.name} ${call.number}`;
      expect((await driver.apply(before)).problems, `before it is ${at}`).toEqual([]);
      await driver.kill();
      const victim = await machines.driver('node1', {}, killAt(call)).catch((cause) => {
        throw new Error(`${at}: that was before it was ready`, { cause });
      });
      // At the last calls it may be done before its end.
      const outcome = await victim.apply(after).then(
        () => 'done',
        () => 'killed',
      );
      if (outcome === 'killed') killed++;
      await victim.kill();
      driver = await machines.driver('node1');
      // One that fails does not keep the others from being tried.
      expect.soft((await driver.apply(after)).problems, at).toEqual([]);
      await settled(driver, after);
      expect.soft(await untilKernelIs(wanted), at).toEqual(wanted);
    }
    await driver.kill();
    process.stderr.write(`${killed} killed of ${calls.length} calls between the states\n`);
    expect(killed).toBeGreaterThan(0);
  },
  TIME_LIMIT,
);
