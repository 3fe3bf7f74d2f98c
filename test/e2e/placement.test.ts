import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { execute, nodeOf, runningTasks, tasksOf, tsswarm, tsswarmOutcome } from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import { Load } from '../../demo/traffic.js';
import { addressOf, IMAGE, useLab } from './lab.js';

useLab(3, '--dispatcher-heartbeat', '1s');

afterEach(async () => {
  await tsswarm('node', 'update', '--availability', 'active', 'node3');
  const names = (await tsswarm('service', 'ls', '--format', '{{.Name}}')).split('\n').filter(Boolean);
  await tsswarmOutcome(['service', 'rm', ...names]);
});

/** How many tasks of a service run on each node. */
async function spread(service: string): Promise<readonly number[]> {
  const tasks = await runningTasks(service);
  return ['node1', 'node2', 'node3'].map((node) => tasks.filter(({ Node }) => Node === node).length);
}

/** Processes of containers on a node, as the kernel has them: those that serve. */
async function serversOn(node: number): Promise<number> {
  const { stdout } = await execute('pgrep', ['--count', '-f', `conmon.*${nodeOf(node).dataRoot}/`]);
  return Number(stdout);
}

const create = (name: string, ...args: readonly string[]) =>
  tsswarm('service', 'create', '--quiet', '--name', name, ...args);

test('rebalance - after a node is back its share of tasks moves there, and no request is lost', async () => {
  await tsswarm('node', 'update', '--availability', 'drain', 'node3');
  await create('web', '--replicas', '6', '--publish', '8080:80', IMAGE);
  expect(await spread('web')).toEqual([3, 3, 0]);
  await tsswarm('node', 'update', '--availability', 'active', 'node3');
  expect((await tsswarm('service', 'rebalance', '--dry-run', 'web')).match(/ → node3\n/g)).toHaveLength(2);
  expect(await serversOn(3)).toBe(0);

  const load = new Load([1, 2, 3].map((node) => `http://${addressOf(node)}:8080/`));
  try {
    expect(await tsswarm('service', 'rebalance', 'web')).toContain('web: 2 tasks moved\n');
    const after = load.samples.length + 60;
    await until('requests after the moves', 20, async () => load.samples.length >= after || undefined);
  } finally {
    await load.stop();
  }
  expect(load.failures).toEqual([]);
  expect(await spread('web')).toEqual([2, 2, 2]);
  await expect.poll(() => Promise.all([1, 2, 3].map(serversOn)), { timeout: 15_000 }).toEqual([2, 2, 2]);
  expect((await tasksOf('web')).filter((task) => task.Error === '"moved to node3"')).toHaveLength(2);
});

test('drain - with start-first another task runs before the old one stops', async () => {
  await create('web', '--replicas', '3', '--update-order', 'start-first', '--publish', '8080:80', IMAGE);
  const load = new Load([1, 2].map((node) => `http://${addressOf(node)}:8080/`));
  try {
    await until('requests before', 20, async () => load.samples.length >= 20 || undefined);
    await tsswarm('node', 'update', '--availability', 'drain', 'node3');
    await until('nothing runs on node3', 20, async () => (await serversOn(3)) === 0 || undefined);
  } finally {
    await load.stop();
  }
  expect(load.failures).toEqual([]);
  expect((await spread('web')).reduce((a, b) => a + b)).toBe(3);
});

test('depends-on - waits for a job that takes its time, and says so', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'tsswarm-placement-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const flag = ['--mount', `type=bind,source=${folder},target=/flag,readonly`];
  const job = ['sh', '-c', 'until [ -e /flag/done ]; do sleep 0.1; done'];
  await create('slow', '--detach', '--mode', 'replicated-job', ...flag, IMAGE, ...job);
  await create('web', '--detach', '--depends-on', 'slow:completed', IMAGE);
  const waiting = await until('it says what it waits for', 15, async () => {
    const [task] = await tasksOf('web');
    return task?.Error === '"waiting for service slow to complete (0/1)"' ? task : undefined;
  });
  expect(waiting.CurrentState).toMatch(/^Pending/);
  await writeFile(`${folder}/done`, '');
  await until('it runs', 15, async () => (await runningTasks('web')).length === 1 || undefined);
  expect((await tasksOf('slow'))[0]?.CurrentState).toMatch(/^Complete/);
});

test('crash loop - service ps says when the next attempt is, and after how many failures', async () => {
  await create('broken', '--detach', '--restart-delay', '300ms', IMAGE, 'sh', '-c', 'exit 3');
  const words = await until('the fifth attempt waits', 20, async () => {
    const waiting = (await tasksOf('broken')).find((task) => /after [4-9] failures/.test(task.Error));
    return waiting?.Error;
  });
  expect(words).toMatch(/^"restarting in \d+s after \d failures"$/);
});
