/**
 * SIGKILL at the plane's system calls, one after another, by strace's fault injection: what it leaves in the
 * kernel, the next process completes or removes. Every KILL_STRIDE-th call is tried, beginning with the one that
 * TSSWARM_KILL_OFFSET says (printed); all of them when TSSWARM_LONG is set.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { DesiredState } from '../../netlb/state.js';
import { alone, bridge, container, dual, endpoint, publish } from './plane-bridges.js';
import { type Driver, eventually, Machines } from './plane-fixture.js';
import { CLIENT, desiredState, idOf, ingressName, nodeAddress, type Swarm } from './plane-swarm.js';

/** All by which the kernel's network is changed; reads are among them, and cost nothing but time. */
const CALLS = ['sendto', 'sendmsg', 'mount', 'umount2', 'unshare', 'unlink', 'openat'];
const LONG = Boolean(process.env.TSSWARM_LONG);
const KILL_STRIDE = LONG ? 1 : 97;
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

/** What the node's namespaces show, without numbers that the kernel gives as it likes. */
function kernel(): string[] {
  const namespaces = ['1-back000000', ingressName, 'ingress_sbox', ...['t1', 't2', 't4', 'c1', 'c2'].map(idOf)];
  const files = namespaces.map((name) => machines.sandbox('node1', name)).filter(isThere);
  return ['node1', ...files].flatMap((where) => {
    const rules = machines.inside(where, 'nft', '--stateless', 'list', 'ruleset').split('\n');
    const addresses = machines
      .json<{ ifname: string; mtu: number; address: string; addr_info: { local: string; prefixlen: number }[] }>(
        where,
        'ip',
        '-4',
        'address',
      )
      .map(({ ifname, mtu, addr_info: list }) => JSON.stringify([ifname, mtu, list.map((a) => a.local)]));
    const links = machines
      .json<{ ifname: string; master?: string }>(where, 'ip', 'link')
      .map(({ ifname, master }) => `${ifname} in ${master}`);
    const forwarding = machines
      .json<{ mac: string; ifname: string; dst?: string }>(where, 'bridge', 'fdb')
      .filter(({ dst }) => dst !== undefined)
      .map(({ mac, ifname, dst }) => `${mac} ${ifname} ${dst}`);
    // A bridge loses its carrier some time after its last port.
    const routes = machines.inside(where, 'ip', 'route').replaceAll(' linkdown', '').split('\n');
    const neighbours = machines.inside(where, 'ip', 'neigh', 'show', 'nud', 'permanent').split('\n');
    return [...rules, ...addresses, ...links, ...forwarding, ...routes, ...neighbours]
      .map((line) => `${where.split('/').at(-1)}: ${line.trim()}`)
      .sort();
  });
}

function isThere(file: string): boolean {
  try {
    machines.inside(file, 'true');
    return true;
  } catch {
    return false;
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

async function from(before: DesiredState, wrapper: readonly string[] = []): Promise<Driver> {
  const preparation = await machines.driver('node1');
  await preparation.apply(before);
  await preparation.kill();
  return machines.driver('node1', {}, wrapper);
}

/** Lines as `123 sendto(4, …`: how often each call was made, by the thread that made it most, the plane's. */
function callsIn(file: string): Map<string, number> {
  const threads = new Map<string, number>();
  const most = new Map<string, number>();
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const [, thread, name] = /^(\d+) +(\w+)\(/.exec(line) ?? [];
    if (thread === undefined || name === undefined) continue;
    const count = (threads.get(`${thread} ${name}`) ?? 0) + 1;
    threads.set(`${thread} ${name}`, count);
    most.set(name, Math.max(most.get(name) ?? 0, count));
  }
  return most;
}

/** The calls that a process makes, after its start, until it has gone from one state to the other. */
async function callsBetween(before: DesiredState, after: DesiredState): Promise<Call[]> {
  const folder = mkdtempSync(join(tmpdir(), 'tsswarm-strace-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'calls');
  const driver = await from(before, strace('-o', file));
  const startup = callsIn(file);
  await driver.apply(after);
  const all = callsIn(file);
  await driver.kill();
  return [...all].flatMap(([name, last]) => {
    const first = (startup.get(name) ?? 0) + 1;
    return Array.from({ length: last - first + 1 }, (_, i) => ({ name, number: first + i }));
  });
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
    for (const call of calls.filter((_, i) => i % KILL_STRIDE === offset % KILL_STRIDE)) {
      const at = `killed at ${call.name} ${call.number}`;
      const driver = await from(before, killAt(call));
      // At the last calls it may be done before its end.
      const outcome = await driver.apply(after).then(
        () => 'done',
        () => 'killed',
      );
      if (outcome === 'killed') killed++;
      await driver.kill();
      const next = await machines.driver('node1');
      const { problems } = await next.apply(after);
      expect(problems, at).toEqual([]);
      await settled(next, after);
      await next.kill();
      await eventually(() => kernel().join('\n') === wanted.join('\n')).catch(() => undefined);
      expect(kernel(), at).toEqual(wanted);
    }
    process.stderr.write(`${killed} of ${calls.length} calls tried\n`);
    expect(killed).toBeGreaterThan(0);
  },
  TIME_LIMIT,
);
