import { readFile } from 'node:fs/promises';
import { afterEach, expect, test } from 'vitest';
import { runningTasks, tasksOf, tsswarm, tsswarmOutcome } from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import { IMAGE, onNode, useLab } from './lab.js';

useLab(2);

const NODES = [1, 2];
afterEach(async () => {
  await tsswarmOutcome(['service', 'rm', 'store']);
  for (const node of NODES) {
    await until('volumes are nobody’s', 20, async () => {
      await onNode(node, 'volume', 'prune', '-af');
      return (await volumesOn(node)).length === 0 || undefined;
    });
  }
});

const volumesOn = async (node: number) =>
  (await onNode(node, 'volume', 'ls', '-q')).stdout.split('\n').filter(Boolean).sort();
const contentOn = async (node: number, name: string, file: string) => {
  const { stdout } = await onNode(node, 'volume', 'inspect', '-f', '{{.Mountpoint}}', name);
  return readFile(`${stdout.trim()}/${file}`, 'utf8');
};
// The first process of a container, as sleep is here, is not ended by SIGTERM.
const IMPATIENT = ['--restart-delay', '10ms', '--stop-grace-period', '100ms'];
const create = (...args: readonly string[]) =>
  tsswarm('service', 'create', '--quiet', '--name', 'store', ...IMPATIENT, ...args);

test('each node has its own, made when a task comes and kept when it goes', async () => {
  const script = 'echo $HOSTNAME >> /data/who; exec sleep 1000';
  const mount = 'type=volume,source=data,target=/data,volume-label=tier=db';
  const flags = ['--mount', mount, '--hostname', '{{.Node.Hostname}}', '--constraint', 'node.hostname==node1'];
  await create(...flags, IMAGE, 'sh', '-c', script);
  expect(await volumesOn(1)).toEqual(['data']);
  expect(await volumesOn(2)).toEqual([]);
  expect((await onNode(1, 'volume', 'inspect', '-f', '{{.Labels.tier}}', 'data')).stdout).toBe('db\n');
  const busy = await onNode(1, 'volume', 'rm', 'data');
  expect(busy.stderr).toMatch(/volume is in use - \[store\.1\./);
  await tsswarm('service', 'update', '--quiet', '--force', 'store');
  await until(
    'the next task has written',
    20,
    async () => (await contentOn(1, 'data', 'who')) === 'node1\nnode1\n' || undefined,
  );
  const move = ['--constraint-rm', 'node.hostname==node1', '--constraint-add', 'node.hostname==node2'];
  await tsswarm('service', 'update', '--quiet', ...move, 'store');
  expect(await contentOn(2, 'data', 'who')).toBe('node2\n');
  expect(await contentOn(1, 'data', 'who')).toBe('node1\nnode1\n');
});

test('names by slot; anonymous ones go with their tasks', async () => {
  const named = 'type=volume,source=data-{{.Task.Slot}},target=/data';
  await create('--replicas', '2', '--mount', named, '--mount', 'type=volume,target=/tmp', IMAGE, 'sleep', '1000');
  const all = async () => (await Promise.all(NODES.map(volumesOn))).flat().sort();
  const made = await all();
  expect(made.filter((name) => name.startsWith('data'))).toEqual(['data-1', 'data-2']);
  expect(made.filter((name) => /^[0-9a-f]{64}$/.test(name))).toHaveLength(2);
  expect(await runningTasks('store')).toHaveLength(2);
  await tsswarm('service', 'rm', 'store');
  await until('only those with names are left', 20, async () => (await all()).join() === 'data-1,data-2' || undefined);
});

test('a volume that cannot be mounted keeps the task from starting, in words', async () => {
  const { code, stderr } = await tsswarmOutcome([
    ...[
      'service',
      'create',
      '--detach',
      '--name',
      'store',
      '--mount',
      'type=volume,source=far,target=/d,volume-driver=nas',
    ],
    IMAGE,
  ]);
  expect(code).toBe(1);
  expect(stderr).toContain('there is no volume driver "nas"');
  const bind = 'volume-opt=type=none,volume-opt=o=bind,volume-opt=device=/no/such/folder';
  await tsswarm('service', 'create', '--detach', '--name', 'store', '--mount', `source=far,target=/d,${bind}`, IMAGE);
  await until(
    'the task says why',
    20,
    async () =>
      (await tasksOf('store')).some((task) => task.Error.includes('volume "far" cannot be mounted')) || undefined,
  );
});

test('what a service says of its containers is so in them', async () => {
  const script = [
    'hostname; echo $WHO; id -u; id -G; pwd; cat /proc/self/oom_score_adj; ulimit -n',
    'cat /proc/sys/net/ipv4/ip_unprivileged_port_start; cat /proc/1/comm; stat -c %F /dev/nothing',
    'grep CapBnd /proc/self/status; touch /x 2>/dev/null || echo read-only; df -k /fast | tail -1',
    'exec sleep 1000',
  ].join('; ');
  await create(
    ...['--hostname', '{{.Service.Name}}-{{.Task.Slot}}', '--env', 'WHO={{.Task.Name}} on {{.Node.Hostname}}'],
    ...[
      '--user',
      '1000:1001',
      '--group',
      '2000',
      '--workdir',
      '/tmp',
      '--oom-score-adj',
      '99',
      '--init',
      '--read-only',
    ],
    ...['--ulimit', 'nofile=123:456', '--sysctl', 'net.ipv4.ip_unprivileged_port_start=80'],
    ...['--device', '/dev/null:/dev/nothing:rw', '--cap-drop', 'ALL', '--cap-add', 'CHOWN'],
    ...['--mount', 'type=tmpfs,target=/fast,tmpfs-size=1m'],
    ...['--log-driver', 'local', '--log-opt', 'max-size=1m', IMAGE, 'sh', '-c', script],
  );
  const [task] = await runningTasks('store');
  const lines = async () => (await tsswarm('service', 'logs', '--raw', 'store')).split('\n');
  await expect.poll(async () => (await lines()).length, { timeout: 20_000 }).toBe(14);
  expect(await lines()).toEqual([
    'store-1',
    `store.1.${task?.ID} on ${task?.Node}`,
    ...['1000', '1001 2000', '/tmp', '99', '123', '80', 'docker-init', 'character special file'],
    'CapBnd:\t0000000000000001',
    'read-only',
    expect.stringMatching(/^tmpfs +1024 /),
    '',
  ]);
  await tsswarm('service', 'update', '--quiet', '--device-rm', '/dev/nothing', '--cap-add', 'KILL', 'store');
  const [next] = await runningTasks('store');
  await expect
    .poll(async () => (await tsswarm('service', 'logs', '--raw', next?.ID ?? '')).split('\n'), { timeout: 20_000 })
    .toContain('CapBnd:\t0000000000000021');
});
