import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { execute, nodeOf } from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import { addressOf, IMAGE, onNode, useLab } from './lab.js';
import { removeOthers, succeed, untilSettled, withControl } from './managers.js';

useLab(5, '--managers', '3');

const MANAGERS = [1, 2, 3];
afterEach(() => removeOthers(1));

/** What a command prints on every manager, which must be the same. */
async function everywhere(...args: readonly string[]): Promise<string> {
  const [first = '', ...others] = await Promise.all(MANAGERS.map((node) => succeed(node, ...args)));
  expect(others).toEqual([first, first]);
  return first;
}

/** The leader and the two that follow it. */
async function roles(): Promise<readonly [leader: number, followers: readonly [number, number]]> {
  const leader = await untilSettled(MANAGERS);
  const [a = 0, b = 0] = MANAGERS.filter((node) => node !== leader);
  return [leader, [a, b]];
}

test('node ls - a leader, two that can be reached, and workers: the same on every manager', async () => {
  const [leader] = await roles();
  const rows = await everywhere('node', 'ls', '--format', '{{.Hostname}} {{.Status}} {{.ManagerStatus}}');
  const status = (node: number) => (node === leader ? 'Leader' : 'Reachable');
  const expected = [1, 2, 3, 4, 5].map((node) => `node${node} Ready ${node > 3 ? '' : status(node)}`);
  expect(rows).toBe(expected.join('\n').trim());
  const info = JSON.parse(await everywhereOf('info')) as readonly { Swarm: Record<string, unknown> }[];
  for (const { Swarm } of info)
    expect(Swarm).toMatchObject({ Managers: 3, Nodes: 5, ControlAvailable: true, Role: 'manager' });
  const worker = await onNode(4, 'node', 'ls');
  expect(worker).toMatchObject({ code: 1, stderr: expect.stringContaining('This node is not a swarm manager') });
});

/** What a command tells of each manager's own machine, as one JSON array. */
async function everywhereOf(command: string): Promise<string> {
  const texts = await Promise.all(MANAGERS.map((node) => succeed(node, command, '--format', 'json')));
  return `[${texts.join(',')}]`;
}

test('services - made on a follower, looked at on another, changed on a third: each sees what was done before', async () => {
  const [leader, [a, b]] = await roles();
  await succeed(a, 'service', 'create', '--quiet', '--name', 'web', '--replicas', '4', IMAGE);
  expect(await succeed(b, 'service', 'ps', '--format', '{{.CurrentState}}', 'web')).toMatch(/^(Running.*\n?){4}$/);
  expect(await succeed(leader, 'service', 'inspect', '--format', '{{.Spec.Mode.Replicated.Replicas}}', 'web')).toBe(
    '4',
  );
  await succeed(b, 'service', 'scale', 'web=2');
  expect(await everywhere('service', 'ls', '--format', '{{.Name}} {{.Replicas}}')).toBe('web 2/2');
  await succeed(a, 'service', 'update', '--detach', '--label-add', 'tier=front', 'web');
  expect(await succeed(b, 'service', 'ls', '--quiet', '--filter', 'label=tier=front')).not.toBe('');
  await succeed(b, 'service', 'rollback', '--detach', 'web');
  expect(await succeed(a, 'service', 'ls', '--quiet', '--filter', 'label=tier=front')).toBe('');
  await succeed(leader, 'service', 'rm', 'web');
  expect(await everywhere('service', 'ls', '--quiet')).toBe('');
});

test('logs - every manager has the lines of containers on all nodes', async () => {
  const [, [a]] = await roles();
  const command = ['sh', '-c', 'echo "here is $(hostname)"; trap "exit 0" TERM; sleep 1000 & wait'];
  await succeed(a, 'service', 'create', '--quiet', '--name', 'talk', '--mode', 'global', IMAGE, ...command);
  for (const node of MANAGERS) {
    const lines = (await succeed(node, 'service', 'logs', '--raw', 'talk')).split('\n');
    expect(new Set(lines).size).toBe(5);
  }
});

test('networks, nodes and settings - likewise', async () => {
  const [, [a, b]] = await roles();
  await succeed(a, 'network', 'create', '--driver', 'overlay', 'back');
  expect((await everywhere('network', 'ls', '--format', '{{.Name}}')).split('\n')).toContain('back');
  await succeed(b, 'network', 'rm', 'back');
  expect((await everywhere('network', 'ls', '--format', '{{.Name}}')).split('\n')).not.toContain('back');

  await succeed(a, 'node', 'update', '--label-add', 'disk=ssd', 'node4');
  expect(await everywhere('node', 'ls', '--filter', 'node.label=disk=ssd', '--format', '{{.Hostname}}')).toBe('node4');

  const before = await everywhere('join-token', '--quiet', 'worker');
  await succeed(b, 'join-token', '--rotate', '--quiet', 'worker');
  expect(await everywhere('join-token', '--quiet', 'worker')).not.toBe(before);

  await succeed(a, 'update', '--task-history-limit', '7');
  const limits = MANAGERS.map((node) =>
    withControl(nodeOf(node), async (control) => (await control.getCluster({})).cluster.spec.taskHistoryLimit),
  );
  expect(await Promise.all(limits)).toEqual([7, 7, 7]);
});

test('errors - a follower refuses with the words of the leader', async () => {
  const refused = await Promise.all(MANAGERS.map((node) => onNode(node, 'service', 'inspect', 'nothing')));
  expect(refused.map(({ code }) => code)).toEqual([1, 1, 1]);
  expect(new Set(refused.map(({ stderr }) => stderr)).size).toBe(1);
  const subnet = ['--driver', 'overlay', '--subnet', '10.77.0.0/24'];
  await succeed(1, 'network', 'create', ...subnet, 'first');
  const twice = await Promise.all(MANAGERS.map((node) => onNode(node, 'network', 'create', ...subnet, 'second')));
  for (const { code, stderr } of twice) {
    expect(stderr).toContain('10.77.0.0/24');
    expect(code).toBe(1);
  }
});

test('join - a node that knows a follower alone joins through it', async () => {
  const [, [a, b]] = await roles();
  await onNode(5, 'leave');
  const token = await succeed(a, 'join-token', '--quiet', 'worker');
  await succeed(5, 'join', '--advertise-addr', addressOf(5), '--token', token, addressOf(b));
  const ready = await succeed(a, 'node', 'ls', '--format', '{{.Hostname}} {{.Status}}');
  expect(
    ready
      .split('\n')
      .filter((row) => row.startsWith('node5'))
      .sort(),
  ).toEqual(['node5 Down', 'node5 Ready']);
});

test('at rest - what is secret in a service is in no file of a manager’s log and snapshots', async () => {
  const secret = randomBytes(16).toString('hex');
  await succeed(2, 'update', '--snapshot-interval', '1');
  await succeed(2, 'service', 'create', '--detach', '--name', 'vault', '--env', `PASSWORD=${secret}`, IMAGE);
  await succeed(2, 'service', 'update', '--detach', '--label-add', 'another=entry', 'vault');
  expect(await everywhere('service', 'inspect', 'vault')).toContain(secret);
  const folders = MANAGERS.map((node) => path.join(nodeOf(node).dataRoot, 'manager'));
  for (const folder of folders) {
    const isNew = (name: string) => name.startsWith('snapshot-') && !/^snapshot-0*1-0*1$/.test(name);
    await until(`${folder} has a snapshot`, 20, async () => (await readdir(folder)).some(isNew) || undefined);
  }
  await succeed(2, 'update', '--snapshot-interval', '10000');
  // That it is the files which are looked at, and that there is something to find in them.
  const search = (text: string) =>
    until('no file goes while all are read', 20, async () => {
      const found = await execute('grep', ['--recursive', '--files-with-matches', '--text', text, ...folders]);
      return found.code < 2 ? found : undefined;
    });
  for (const folder of folders) expect((await search('tsswwal')).stdout).toContain(`${folder}/wal-`);
  expect(await search(secret)).toMatchObject({ code: 1, stdout: '' });
  expect(await search(Buffer.from(secret).toString('base64').slice(0, 20))).toMatchObject({ code: 1 });
});
