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
const create = (...args: readonly string[]) =>
  tsswarm('service', 'create', '--quiet', '--name', 'store', '--restart-delay', '10ms', ...args);

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
