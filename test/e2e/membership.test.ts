import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { expect, test } from 'vitest';
import {
  BINARY,
  execAt,
  execute,
  LAB,
  nodeOf,
  runningTasks,
  spawnAt,
  tsswarm,
  tsswarmOutcome,
  tsswarmRows,
} from '../../demo/cli.js';
import { leftovers } from '../../demo/leftovers.js';
import { until } from '../../demo/steps.js';
import { addressOf, IMAGE, onNode, useLab } from './lab.js';

useLab(3);

const token = async () => (await tsswarm('swarm', 'join-token', '--quiet', 'worker')).trim();
const join = (node: number, secret: string, ...addresses: readonly string[]) =>
  onNode(node, 'join', '--advertise-addr', addressOf(node), '--token', secret, ...addresses);
const statusOf = async (node: string) =>
  (await tsswarmRows<{ Hostname: string; Status: string }>('node', 'ls'))
    .filter(({ Hostname }) => Hostname === node)
    .map(({ Status }) => Status);

/** What of ours there is in the kernel on a node that it has only as a member. */
async function kernelState(node: number): Promise<string> {
  const [links, rules, namespaces, containers] = await Promise.all([
    execAt(`node${node}`, ['ip', '-brief', 'link']),
    execAt(`node${node}`, ['nft', 'list', 'ruleset']),
    execute('find', [path.join(nodeOf(node).runRoot, 'netns'), '-type', 'f']),
    execute('pgrep', ['-f', `conmon.*${nodeOf(node).dataRoot}/`]),
  ]);
  // The machine's default network is there in a swarm and without.
  const ownLinks = links.stdout.split('\n').filter((line) => !/^(lo|eth0@\S+|tsswarm0|$)/.test(line));
  const ownRules = rules.stdout.split('\n').filter((line) => line.includes('swarm_gwbridge'));
  return [...ownLinks, ...ownRules, namespaces.stdout, containers.stdout].filter(Boolean).join('\n');
}

/** The kernel takes a namespace apart, with the veth pairs into it, only after its last name is gone. */
const nothingLeft = (node: number) => expect.poll(() => kernelState(node), { timeout: 5_000 }).toBe('');

test('leave - a worker is gone from kernel and swarm, its tasks run elsewhere; a wrong token does not let it in again', async () => {
  await tsswarm('service', 'create', '--quiet', '--name', 'web', '--replicas', '3', '--publish', '8080:80', IMAGE);
  expect(await kernelState(3)).not.toBe('');
  expect(await onNode(3, 'leave')).toMatchObject({ code: 0, stdout: 'Node left the swarm.\n' });
  await nothingLeft(3);
  expect(await statusOf('node3')).toEqual(['Down']);
  await until('three tasks on two nodes', 15, async () => {
    const tasks = await runningTasks('web');
    return (tasks.length === 3 && tasks.every(({ Node }) => Node !== 'node3')) || undefined;
  });
  expect((await onNode(3, 'leave')).stderr).toContain('not part of a swarm');
  expect((await onNode(3, 'service', 'ls')).stderr).toContain('This node is not a swarm manager. Use "tsswarm init"');

  const good = await token();
  const refusals: readonly (readonly [string, RegExp])[] = [
    ['nonsense', /malformed/],
    [`SWMTKN-1-${'0'.repeat(50)}-${'0'.repeat(25)}`, /another swarm/],
    [good.replace(/[^-]+$/, '0'.repeat(25)), /not valid/],
  ];
  for (const [bad, words] of refusals) {
    const { code, stderr } = await join(3, bad, addressOf(1));
    expect(stderr).toMatch(words);
    expect(code).toBe(1);
  }
  await tsswarm('swarm', 'join-token', '--rotate', 'worker');
  expect((await join(3, good, addressOf(1))).stderr).toMatch(/replaced by a new one/);
  const info = JSON.parse((await onNode(3, 'info', '--format', 'json')).stdout) as Record<string, unknown>;
  expect(JSON.stringify(info)).toContain('"LocalNodeState":"inactive"');
});

test('join - tries every address given, and says which ones did not answer', async () => {
  const secret = await token();
  const { code, stderr } = await join(3, secret, `${addressOf(2)}:2377`);
  expect(stderr).toContain('203.0.113.2:2377 (ECONNREFUSED)');
  expect(code).toBe(1);
  expect(await join(3, secret, `${addressOf(2)}:2377`, addressOf(1))).toMatchObject({ code: 0 });
  await until('node3 is ready again', 10, async () => (await statusOf('node3')).includes('Ready') || undefined);
});

test('join and init - an address of another machine, an interface that is not there', async () => {
  await onNode(3, 'leave');
  const secret = await token();
  const far = await onNode(3, 'join', '--advertise-addr', '198.51.100.7', '--token', secret, addressOf(1));
  expect(far.stderr).toContain('198.51.100.7 is not an address of this machine');
  const init = await onNode(3, 'init', '--advertise-addr', 'eth7');
  expect(init.stderr).toContain('"eth7"');
});

test('init - a port that is in use leaves nothing half done', async () => {
  const listener = "require('node:net').createServer().listen(2377, () => console.log('listening'))";
  const other = spawnAt('node3', [process.execPath, '--eval', listener]);
  await once(other.stdout, 'data');
  const refused = await onNode(3, 'init');
  other.kill('SIGKILL');
  expect(refused.stderr).toMatch(/cannot listen on 0\.0\.0\.0:2377: another program uses that port/);
  const accepted = await until('the port is free', 5, async () => {
    const outcome = await onNode(3, 'init');
    return outcome.code === 0 ? outcome : undefined;
  });
  expect(accepted.stdout).toContain('tsswarm join --token SWMTKN-1-');
  // node3 has but one address, so it is advertised without being named.
  expect(accepted.stdout).toContain('203.0.113.3:2377');
});

test('leave - a manager must be forced, and leaves nothing', async () => {
  const refused = await onNode(3, 'leave');
  expect(refused.stderr).toContain(
    'You are attempting to leave the swarm on a node that is participating as a manager',
  );
  expect(refused.code).toBe(1);
  await onNode(3, 'image', 'ls');
  await onNode(3, 'service', 'create', '--quiet', '--name', 'own', '--publish', '8080:80', IMAGE);
  expect(await onNode(3, 'leave', '--force')).toMatchObject({ code: 0 });
  await nothingLeft(3);
  const { stdout: files } = await execute('find', [
    nodeOf(3).dataRoot,
    '-type',
    'f',
    '-not',
    '-name',
    'tsswarmd.*',
    // The machine's own networks.
    '-not',
    '-path',
    '*/local/networks/*',
  ]);
  expect(files).toBe('');
});

test('node rm --force - the node learns that it is out, says so, and can leave', async () => {
  expect((await tsswarmOutcome(['node', 'rm', 'node2'])).stderr).toContain('node2');
  await tsswarm('node', 'rm', '--force', 'node2');
  await until('node2 knows', 10, async () => {
    const rows = await tsswarmRows<{ Name: string; Status: string }>('lab', 'ls');
    return rows.some(({ Name, Status }) => Name === 'node2' && Status === 'Removed') || undefined;
  });
  expect((await onNode(2, 'info')).stdout).toContain('does not know this node any more');
  expect(await onNode(2, 'leave')).toMatchObject({ code: 0 });
  await nothingLeft(2);
});

test('lab down - leaves nothing, also when daemons were killed, and is fine twice', async () => {
  await tsswarm('lab', 'kill', 'node1');
  expect(await tsswarm('lab', 'down')).toBe(`The lab "${LAB.name}" is down.\n`);
  expect(await leftovers()).toEqual([]);
  const { stdout } = await execute('find', [LAB.dataRoot, LAB.runRoot]);
  expect(stdout).toBe('');
  expect(await tsswarm('lab', 'down')).toBe(`There is no lab "${LAB.name}".\n`);
  expect(await tsswarm('lab', 'ls')).toMatch(/^LAB +NAME +ROLE +ADDRESS +HOST +PID +STATUS\n$/);
});

test('lab up - a daemon that does not start is told with the end of its log, and nothing is left', async () => {
  const { code, stderr } = await tsswarmOutcome(['lab', 'up', '--nodes', '2', '--label', '=nonsense']);
  expect(stderr).toMatch(/Error: node1: the daemon of node1 did not start: it ended with code 2/);
  expect(stderr).toContain('Must look like key=value');
  expect(code).toBe(1);
  expect(await leftovers()).toEqual([]);
});

test('lab up - interrupted, it takes down what it has made', async () => {
  const child = spawn(BINARY, ['lab', 'up', '--nodes', '2'], { stdio: ['ignore', 'ignore', 'pipe'] });
  const closed = once(child, 'close');
  let words = '';
  child.stderr.on('data', (chunk: Buffer) => {
    words += chunk.toString();
    if (words.includes('Starting the daemons') && !child.killed) child.kill('SIGINT');
  });
  await closed;
  expect(words).toContain('interrupted: the lab has been taken down again');
  expect(await leftovers()).toEqual([]);
});
