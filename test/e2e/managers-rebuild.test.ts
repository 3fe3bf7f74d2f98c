import { existsSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { nodeOf, runningTasks, tsswarm } from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import { Load } from '../../demo/traffic.js';
import { NodeState } from '../../proto/gen/index.js';
import { addressOf, IMAGE, onNode, useLab } from './lab.js';
import { networksSeenBy, nodesSeenBy, succeed, untilSettled } from './managers.js';
import { nothingRestarted } from './servers.js';

useLab(5, '--managers', '3', '--dispatcher-heartbeat', '5s');

beforeAll(async () => {
  await tsswarm('network', 'create', '--driver', 'overlay', 'back');
  const place = ['--constraint', 'node.hostname!=node2', '--constraint', 'node.hostname!=node3'];
  await tsswarm(
    'service',
    'create',
    '--quiet',
    '--name',
    'web',
    '--replicas',
    '6',
    ...place,
    '--publish',
    '8080:80',
    IMAGE,
  );
});

async function moreSamples({ samples }: Load, count: number): Promise<void> {
  const target = samples.length + count;
  await until(`${count} more requests`, 30, async () => samples.length >= target || undefined);
}

test('a new cluster of the one manager that is left - all services in the same containers, no request is lost', async () => {
  await nothingRestarted('web', 6, async () => {
    const load = new Load([1, 4, 5].map((node) => `http://${addressOf(node)}:8080/`));
    try {
      await moreSamples(load, 20);
      await Promise.all(['node2', 'node3'].map((node) => tsswarm('lab', 'kill', node)));
      expect(await succeed(1, 'init', '--force-new-cluster')).toContain('is now a manager');
      await untilSettled([1]);
      expect(await networksSeenBy(1)).toContain('back');
      await untilReady([1, 4, 5]);
      await moreSamples(load, 50);
    } finally {
      await load.stop();
    }
    expect(load.failures).toEqual([]);
  });
  await succeed(1, 'service', 'scale', 'web=8');
  expect(await runningTasks('web')).toHaveLength(8);
});

test('the old managers - come back one at a time as workers, and can be promoted', async () => {
  for (const node of [2, 3]) {
    await tsswarm('lab', 'start', `node${node}`);
    await untilReady([1, 4, 5, node]);
    await until(`node${node} is a worker and has given its log up`, 20, async () => {
      const { stderr } = await onNode(node, 'service', 'ls');
      const hasLog = existsSync(path.join(nodeOf(node).dataRoot, 'manager'));
      return (stderr.includes('This node is not a swarm manager') && !hasLog) || undefined;
    });
    await untilSettled([1]);
  }
  await succeed(1, 'node', 'promote', 'node2', 'node3');
  await untilSettled([1, 2, 3]);
  await tsswarm('lab', 'kill', 'node1');
  expect(await succeed(2, 'service', 'ls', '--format', '{{.Name}} {{.Replicas}}')).toMatch(/^web \d\/8$/);
  await tsswarm('lab', 'start', 'node1');
  await untilSettled([1, 2, 3]);
});

async function untilReady(numbers: readonly number[]): Promise<void> {
  await until(`nodes ${numbers.join(', ')} are ready`, 30, async () => {
    const nodes = await nodesSeenBy(1);
    return numbers.every((number) => nodes?.get(`node${number}`)?.status.state === NodeState.READY) || undefined;
  });
}

test('init --force-new-cluster - on a worker there is nothing to make one from', async () => {
  const refused = await onNode(4, 'init', '--force-new-cluster');
  expect(refused.stderr).toContain('this node is not a manager');
  expect(refused.code).toBe(1);
});
