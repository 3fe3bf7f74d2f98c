import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { type Endpoint, endpointsOf, execute, netnsFile, tsswarm, tsswarmInspect } from '../../demo/cli.js';
import { addressOf, CLIENT, IMAGE, onNode, useLab } from './lab.js';

useLab(3);

/** As `network trace --format json` prints it. */
interface Traced {
  readonly Complete: boolean;
  readonly Verdict: string;
  readonly LostAt: number;
  readonly Hops: readonly {
    readonly Node: string;
    readonly Namespace: string;
    readonly Owner: string;
    readonly Kind: string;
    readonly Title: string;
    readonly Status: string;
    readonly Reason: string;
    readonly Details: Readonly<Record<string, string>>;
    readonly Candidates: readonly { readonly Address: string; readonly Node: string; readonly Taken: boolean }[];
    readonly Seen: boolean | null;
  }[];
  readonly Probe: { readonly Answer: string; readonly Verdict: string } | null;
}

async function trace(code: number, ...args: readonly string[]): Promise<Traced> {
  const outcome = await onNode(1, 'network', 'trace', ...args, '--format', 'json');
  expect({ code: outcome.code, stderr: outcome.stderr }).toEqual({ code, stderr: '' });
  return JSON.parse(outcome.stdout) as Traced;
}

let web: readonly Endpoint[] = [];
let api: Endpoint;

async function create(name: string, network: string, replicas: number, ...more: readonly string[]) {
  const flags = ['--quiet', '--name', name, '--replicas', String(replicas), '--network', network];
  await tsswarm('service', 'create', ...flags, ...more, IMAGE);
  return endpointsOf(network, name);
}

beforeAll(async () => {
  await tsswarm('network', 'create', '--driver', 'overlay', 'front');
  await tsswarm('network', 'create', '--driver', 'overlay', 'back');
  web = await create('web', 'front', 3, '--publish', '8080:80');
  const [only] = await create('api', 'front', 1, '--constraint', 'node.hostname==node3');
  if (!only) throw new Error('a task was expected');
  api = only;
  await create('db', 'back', 1);
  await tsswarm('network', 'create', '--driver', 'overlay', '--attachable', 'open');
  await create('lobby', 'open', 1);
});

const overlayOf = async (network: string) =>
  `1-${(await tsswarmInspect<{ Id: string }>('network', 'inspect', network)).Id.slice(0, 10)}`;

/** Runs a program in a namespace of a node. */
const inside = (node: string, namespace: string, ...command: string[]) =>
  execute('nsenter', [`--net=${netnsFile(node, namespace)}`, ...command]);

test('from a task to a service on another node - by name, every hop, there and back', async () => {
  const from = web.find(({ node }) => node === 'node2')?.name ?? '';
  const { Complete, Hops } = await trace(0, from, 'api:80');
  expect(Complete).toBe(true);
  expect(Hops[0]).toMatchObject({ Node: 'node2', Owner: from, Kind: 'resolver' });
  const balancer = Hops.find(({ Kind }) => Kind === 'balancer');
  expect(balancer?.Candidates).toMatchObject([{ Address: api.address, Node: 'node3', Taken: true }]);
  const fdb = Hops.find(({ Kind }) => Kind === 'fdb');
  const namespace = await overlayOf('front');
  expect(fdb).toMatchObject({ Node: 'node2', Namespace: namespace, Details: { vtep: addressOf(3) } });
  const kernel = await inside('node2', namespace, 'bridge', '-j', 'fdb', 'show', 'dev', 'vxlan0');
  expect(JSON.parse(kernel.stdout)).toContainEqual(
    expect.objectContaining({ mac: fdb?.Details.mac, dst: addressOf(3), state: 'permanent' }),
  );
  expect(Hops.find(({ Kind }) => Kind === 'socket')).toMatchObject({ Node: 'node3', Owner: 'api.1', Status: 'ok' });
});

test('from outside to a published port - through the routing mesh, and back', async () => {
  const { Complete, Hops } = await trace(0, CLIENT, 'node:node2:8080');
  expect(Complete).toBe(true);
  const balancer = Hops.find(({ Kind }) => Kind === 'balancer');
  expect(balancer).toMatchObject({ Node: 'node2', Namespace: 'ingress_sbox' });
  expect(balancer?.Candidates.map(({ Node }) => Node).sort()).toEqual(['node1', 'node2', 'node3']);
  expect(Hops.at(-1)).toMatchObject({ Node: 'node2', Kind: 'outside', Status: 'ok' });
});

test('networks that are not shared are named', async () => {
  const { Complete, Hops, LostAt } = await trace(1, 'web.1', 'db:80');
  expect(Complete).toBe(false);
  expect(Hops[LostAt - 1]?.Reason).toMatch(/web\.1 is in .*front.*, db in back: they have no network in common/);
});

test('broken on the far node - the hop is named, and the exit code says so', async () => {
  const namespace = await overlayOf('front');
  const from = web.find(({ node }) => node === 'node2')?.name ?? '';
  // A rule of somebody else is no drift: it stays until it is taken away.
  const rules = 'table inet foreign {\nchain in {\ntype filter hook input priority 0; tcp dport 80 drop\n}\n}';
  onTestFinished(async () => {
    await inside('node3', api.taskId, 'nft', 'delete', 'table', 'inet', 'foreign');
  });
  expect((await inside('node3', api.taskId, 'nft', rules)).code).toBe(0);
  const { Hops, LostAt, Verdict } = await trace(1, from, 'api:80');
  expect(Hops[LostAt - 1]).toMatchObject({
    Node: 'node3',
    Namespace: api.taskId,
    Kind: 'filter',
    Reason: expect.stringContaining('tcp dport 80 drop (table inet foreign, chain in'),
  });
  expect(Verdict).toContain('api.1 on node3');
  expect(Hops.some(({ Namespace }) => Namespace === namespace)).toBe(true);
});

test('probe - seen by every hop on both nodes, and answered', async () => {
  const from = web.find(({ node }) => node === 'node1')?.name ?? '';
  const { Probe, Hops } = await trace(0, from, 'api:80', '--probe');
  expect(Probe).toMatchObject({ Answer: 'syn-ack' });
  const looked = Hops.filter(({ Seen }) => Seen !== null);
  expect(looked.filter(({ Seen }) => !Seen)).toEqual([]);
  expect(new Set(looked.map(({ Node }) => Node))).toEqual(new Set(['node1', 'node3']));
});

test('a node that is down is named', async () => {
  await tsswarm('lab', 'stop', 'node3');
  onTestFinished(async () => {
    await tsswarm('lab', 'start', 'node3');
  });
  const from = web.find(({ node }) => node === 'node2')?.name ?? '';
  const { Hops, LostAt } = await trace(1, from, `${api.address}:80`);
  expect(Hops[LostAt - 1]?.Reason).toMatch(/node node3 (?:is down|is not connected|was disconnected)/);
});

test('containers - by their names on a bridge of one machine, and from one that is attached on another node', async () => {
  const run = (node: number, ...args: string[]) => onNode(node, 'run', '--detach', ...args, IMAGE);
  onTestFinished(async () => {
    await onNode(1, 'rm', '--force', 'left', 'right');
    await onNode(2, 'rm', '--force', 'guest');
    await onNode(1, 'network', 'rm', 'lan');
  });
  await tsswarm('network', 'create', '--driver', 'bridge', 'lan');
  for (const name of ['left', 'right']) expect((await run(1, '--name', name, '--network', 'lan')).code).toBe(0);
  const near = await trace(0, 'left', 'right:80');
  expect(near.Hops.map(({ Kind }) => Kind).slice(0, 5)).toEqual(['resolver', 'route', 'neighbour', 'link', 'bridge']);
  expect((await run(2, '--name', 'guest', '--network', 'open')).code).toBe(0);
  const far = await trace(0, 'guest', 'lobby:80');
  expect(far.Hops[0]).toMatchObject({ Node: 'node2', Owner: 'guest', Kind: 'resolver' });
});

test('asked of a manager that does not lead, and of a worker about itself', async () => {
  const from = web.find(({ node }) => node === 'node2')?.name ?? '';
  const worker = await onNode(3, 'network', 'trace', 'api', 'web:9', '--format', 'json');
  expect(JSON.parse(worker.stdout)).toMatchObject({ Complete: false, From: 'api.1' });
  await tsswarm('node', 'promote', 'node2');
  onTestFinished(async () => {
    await tsswarm('node', 'demote', 'node2');
  });
  await expect
    .poll(
      async () => (await onNode(2, 'network', 'trace', from, 'api:80', '--format', '{{.Complete}}')).stdout.trim(),
      {
        timeout: 20_000,
      },
    )
    .toBe('true');
});

test('drawing and SVG', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'trace-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'way.svg');
  const near = web.find(({ node }) => node === 'node1')?.name ?? '';
  const { code, stdout } = await onNode(1, 'network', 'trace', near, `${api.name}:80`, '--svg', file);
  expect(code).toBe(0);
  expect(stdout).toContain('The way is complete, there and back.');
  expect(stdout.split('\n').every((line) => line.length <= 100)).toBe(true);
  const svg = readFileSync(file, 'utf8');
  expect(svg).toContain('vxlan0');
  expect(await execute('xmllint', ['--noout', file])).toMatchObject({ code: 0, stderr: '' });
});

test('what is not there is refused', async () => {
  const outcome = await onNode(1, 'network', 'trace', 'nobody', 'api:80');
  expect(outcome).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('no such container, task or service: nobody'),
  });
});
