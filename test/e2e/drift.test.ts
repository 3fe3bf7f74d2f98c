import { expect, onTestFinished, test } from 'vitest';
import { type Endpoint, endpointsOf, execInTask, execute, netnsFile, runningTasks, tsswarm } from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import { requests } from '../../demo/traffic.js';
import { addressOf, IMAGE, netnsOf, useLab } from './lab.js';
import { servers } from './servers.js';
import { useServices } from './services.js';

/** Whatever of ours somebody deletes by hand is there again within ten seconds. */
const MENDED = 10;

useLab(2);
const { create } = useServices();

const netns = (node: number, name: string) => netnsFile(`node${node}`, name);
async function inNamespace(file: string, ...command: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await execute('nsenter', [`--net=${file}`, '--', ...command]);
  if (code !== 0) throw new Error(`${command.join(' ')}: ${stderr}`);
  return stdout;
}

/** Rules and sets of a namespace as lines, without what traffic changes in them; tables and chains have no order. */
async function ruleset(file: string): Promise<string> {
  const text = await inNamespace(file, 'nft', '--stateless', 'list', 'ruleset');
  return text
    .replace(/packets \d+ bytes \d+/g, '')
    .replace(/\s*elements = \{ 0x[^}]*02:42[^}]*\}/g, '')
    .split('\n')
    .sort()
    .join('\n');
}

async function mended(what: string, probe: () => Promise<boolean>): Promise<void> {
  await until(what, MENDED, async () => ((await probe()) ? true : undefined));
}

const REPLICAS = 4;

/** Resolves when both nodes send to all tasks: a node hears of the last one after it runs. */
async function web(): Promise<void> {
  await create('web', '--replicas', String(REPLICAS), '--publish', '8080:80', IMAGE);
  for (const node of [1, 2]) {
    await mended(`all tasks answer at node${node}`, async () => {
      const answers = await requests(`http://${addressOf(node)}:8080/`, 2 * REPLICAS).catch(() => []);
      return new Set(answers.map(({ hostname }) => hostname)).size === REPLICAS;
    });
  }
}
const answersAll = async () =>
  (await Promise.all([1, 2].map((node) => requests(`http://${addressOf(node)}:8080/`, 8)))).flat();

async function peers(): Promise<readonly [Endpoint, Endpoint]> {
  await tsswarm('network', 'create', '--driver', 'overlay', 'back');
  // Its service goes before; what stops in it is waited for.
  onTestFinished(async () => void (await tsswarm('network', 'rm', 'back')));
  await create('peer', '--replicas', '2', '--network', 'back', IMAGE);
  const [a, b] = await endpointsOf('back', 'peer');
  if (!a || !b || a.node === b.node) throw new Error('two tasks on two nodes were expected');
  return [a, b];
}
const reaches = async (from: Endpoint, to: Endpoint) =>
  (await execInTask(from, ['curl', '--silent', '--max-time', '1', `http://${to.address}/`])).code === 0;

test('nft tables - of the node, of ingress_sbox and of a task', async () => {
  await web();
  const [task] = (await runningTasks('web')).filter(({ Node }) => Node === 'node2');
  if (!task) throw new Error('a task on node2 was expected');
  for (const file of [netnsOf(2), netns(2, 'ingress_sbox'), netns(2, task.ID)]) {
    const before = await ruleset(file);
    expect(before).toContain('tsswarm');
    await inNamespace(file, 'nft', 'flush', 'ruleset');
    await expect.poll(() => ruleset(file), { timeout: MENDED * 1_000 }).toBe(before);
  }
  expect(await answersAll()).toHaveLength(16);
});

test('FDB entry, neighbour and veth of an overlay', async () => {
  await web();
  const [a, b] = await peers();
  const id = (await tsswarm('network', 'inspect', '--format', '{{.Id}}', 'back')).trim();
  const overlay = netns(Number(a.node.slice(4)), `1-${id.slice(0, 10)}`);
  const [entry] = (
    JSON.parse(await inNamespace(overlay, 'bridge', '-j', 'fdb', 'show', 'dev', 'vxlan0')) as {
      mac: string;
      dst?: string;
    }[]
  ).filter(({ dst }) => dst !== undefined);
  if (!entry) throw new Error('an FDB entry to another node was expected');
  const fdb = () => inNamespace(overlay, 'bridge', 'fdb', 'show', 'dev', 'vxlan0');
  await inNamespace(overlay, 'bridge', 'fdb', 'del', entry.mac, 'dev', 'vxlan0', 'dst', entry.dst ?? '', 'self');
  await mended('the FDB entry', async () => (await fdb()).includes(`${entry.mac} dst`));
  await inNamespace(overlay, 'ip', 'neigh', 'flush', 'dev', 'vxlan0', 'nud', 'permanent');
  await mended('the neighbour', async () =>
    (await inNamespace(overlay, 'ip', 'neigh', 'show', b.address)).includes('PERMANENT'),
  );
  expect(await reaches(a, b)).toBe(true);

  await execInTask(a, ['ip', 'link', 'del', 'eth0']);
  await mended('eth0 of the task', () => reaches(a, b));
  await inNamespace(overlay, 'ip', 'link', 'del', 'vxlan0');
  await mended('vxlan0', () => reaches(a, b));
  await inNamespace(netnsOf(Number(a.node.slice(4))), 'ip', 'link', 'del', 'swarm_gwbridge');
  await mended('the gateway bridge', async () => (await requestsWork()) && (await reaches(a, b)));
});

async function requestsWork(): Promise<boolean> {
  try {
    return (await answersAll()).length === 16;
  } catch {
    return false;
  }
}

test('a container', async () => {
  await web();
  const [victim] = await until('only those of this test are left', 20, async () => {
    const all = await servers();
    return all.length === REPLICAS ? all : undefined;
  });
  if (victim === undefined) throw new Error('a container was expected');
  process.kill(Number(victim), 'SIGKILL');
  await mended('as many containers as before', async () => {
    const now = await servers();
    return now.length === REPLICAS && !now.includes(victim);
  });
});
