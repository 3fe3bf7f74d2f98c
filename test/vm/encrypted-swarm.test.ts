/**
 * Encrypted overlays as a user has them: two tsswarmd, a task on each, keys from the manager. What the network code
 * makes of keys is tried more closely in encryption.test.ts.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { makeRootfsArchive } from '../../demo/image.js';
import { until } from '../../demo/steps.js';
import { Daemons } from './daemons.js';
import { forge, inside, onTheWire, type Wire } from './wire-tap.js';

const IMAGE = 'busybox:latest';
const PATIENCE = 240;
const subnets = { hidden: '10.20.0', plain: '10.30.0' } as const;
type Network = keyof typeof subnets;

interface Task {
  /** File of its network namespace. */
  readonly netns: string;
  readonly at: Readonly<Record<Network, { readonly address: string; readonly mac: string }>>;
}

let swarm: Daemons;
let wire: Wire;
const tasks: Task[] = [];
const vni: Partial<Record<Network, number>> = {};

const netns = (node: number) => `/run/netns/${swarm.underlay.netns(node)}`;
const xfrm = (node: number, what: 'state' | 'policy') => inside(netns(node), 'ip', 'xfrm', what);
const spis = async (node: number) =>
  [...(await xfrm(node, 'state')).matchAll(/spi (0x\w+) reqid 1953723255 /g)].map(([, spi = '']) => spi).sort();

beforeAll(async () => {
  swarm = new Daemons('esp', 2);
  await swarm.up();
  console.log(`a swarm of two nodes after ${(performance.now() / 1000).toFixed()} s`);
  const { archive, remove } = await makeRootfsArchive();
  await swarm.tsswarm(1, 'image', 'import', '--change', 'ENV PATH=/bin', archive, IMAGE).finally(remove);
  for (const [network, subnet] of Object.entries(subnets)) {
    const encrypted = network === 'hidden' ? ['--opt', 'encrypted'] : [];
    await swarm.tsswarm(1, 'network', 'create', '-d', 'overlay', '--subnet', `${subnet}.0/24`, ...encrypted, network);
  }
  const networks = Object.keys(subnets).flatMap((network) => ['--network', network]);
  await swarm.tsswarm(
    1,
    'service',
    'create',
    '-d',
    '--mode',
    'global',
    '--name',
    'web',
    ...networks,
    IMAGE,
    'sleep',
    '1d',
  );
  for (const node of [1, 2]) tasks.push(await taskOn(node));
  for (const network of ['hidden', 'plain'] as const) vni[network] = await vniOf(network);
  wire = { node: netns(2), address: swarm.underlay.address(2), client: `/run/netns/${swarm.underlay.client}` };
}, 480_000);
afterAll(() => swarm?.down(), 480_000);

async function taskOn(node: number): Promise<Task> {
  const format = '{{.ID}} {{.Node}} {{.CurrentState}}';
  const id = await until(`a task runs on node${node}`, PATIENCE, async () => {
    const lines = await swarm.tsswarm(1, 'service', 'ps', '--no-trunc', '--format', format, 'web');
    return new RegExp(`^(\\w+) node${node} Running`, 'm').exec(lines)?.[1];
  }).catch(async (error: Error) => {
    throw new Error(
      `${error.message}\n${await swarm.tsswarm(1, 'service', 'ps', '--no-trunc', 'web')}\n${swarm.logs()}`,
    );
  });
  const file = swarm.sandbox(node, id);
  interface Link {
    readonly address: string;
    readonly addr_info: readonly { readonly local: string }[];
  }
  const links = JSON.parse(await inside(file, 'ip', '-j', 'address')) as Link[];
  const at = (network: Network) => {
    for (const { address: mac, addr_info } of links)
      for (const { local } of addr_info) if (local.startsWith(subnets[network])) return { address: local, mac };
    throw new Error(`the task on node${node} has no address in ${network}`);
  };
  return { netns: file, at: { hidden: at('hidden'), plain: at('plain') } };
}

async function vniOf(network: Network): Promise<number> {
  const [{ Options }] = JSON.parse(await swarm.tsswarm(1, 'network', 'inspect', network)) as [
    { Options: Record<string, string> },
  ];
  return Number(Options['com.docker.network.driver.overlay.vxlanid_list']);
}

const task = (index: 0 | 1): Task => {
  const found = tasks[index];
  if (!found) throw new Error(`there is no task on node${index + 1}`);
  return found;
};

/** Between the tasks. @throws when one is not answered */
const ping = (network: Network): Promise<string> =>
  inside(task(0).netns, 'ping', '-q', '-c', '3', '-i', '0.2', '-W', '5', task(1).at[network].address);

test('between the tasks goes ESP, and nothing in clear of this network', async () => {
  // The first ones may still find the other node without an entry for the task.
  await until('the tasks reach each other', PATIENCE, () => ping('hidden').then(Boolean, () => undefined));
  const hidden = await onTheWire(wire, () => ping('hidden'));
  expect(hidden.filter((line) => line.includes(': ESP(spi=0x')).length).toBeGreaterThanOrEqual(6);
  expect(hidden.filter((line) => line.includes(`vni ${vni.hidden}`) || line.includes(subnets.hidden))).toEqual([]);
  // It would have been seen.
  const plain = await onTheWire(wire, () => ping('plain'));
  expect(plain.filter((line) => line.includes(`VXLAN, flags [I] (0x08), vni ${vni.plain}`)).length).toBeGreaterThan(0);
});

test('what comes in clear for this network is refused, and what comes for the other is not', async () => {
  const to = (network: Network) => ({
    vni: vni[network] ?? 0,
    source: task(0).at[network].address,
    destination: task(1).at[network].address,
    mac: task(1).at[network].mac,
  });
  const packets = [to('hidden'), to('plain')];
  const received = await forge(wire, { as: swarm.underlay.address(1), task: task(1).netns, packets });
  expect(received).toEqual([`${vni.plain}`]);
});

test('no packet is lost while an operator changes the keys, and those before are gone then', async () => {
  onTestFailed(() => console.log(swarm.logs()));
  const before = await spis(1);
  expect(before.length).toBeGreaterThanOrEqual(2);
  const pings = spawn('nsenter', [`--net=${task(0).netns}`, 'ping', '-i', '0.05', task(1).at.hidden.address], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const answered: number[] = [];
  createInterface({ input: pings.stdout }).on('line', (line) => {
    const [, sequence] = /icmp_seq=(\d+) ttl/.exec(line) ?? [];
    if (sequence !== undefined) answered.push(Number(sequence));
  });
  try {
    await more(answered);
    await swarm.tsswarm(1, 'network', 'rotate-keys');
    await more(answered);
  } finally {
    await interrupt(pings);
  }
  // Those of two keys may pass each other on the way.
  expect(answered.toSorted((a, b) => a - b)).toEqual(answered.map((_, i) => i + 1));
  for (const node of [1, 2]) {
    const after = await spis(node);
    expect(after.length).toBeGreaterThanOrEqual(2);
    expect(after.filter((spi) => before.includes(spi))).toEqual([]);
  }
}, 240_000);

async function more(answered: readonly number[]): Promise<void> {
  const enough = answered.length + 20;
  await until('20 more pings are answered', PATIENCE, async () => answered.length >= enough || undefined);
}

async function interrupt(child: ChildProcess): Promise<void> {
  child.kill('SIGINT');
  await once(child, 'close');
}
