import { rm } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { execAt, execute, nodeOf, runningTasks, tsswarm, tsswarmOutcome, tsswarmRows } from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import { Load } from '../../demo/traffic.js';
import { NodeState } from '../../proto/gen/index.js';
import { addressOf, IMAGE, useLab } from './lab.js';
import { mend, nodesSeenBy } from './managers.js';
import { nothingRestarted, servers } from './servers.js';

// Grace enough for a daemon's restart on a machine that does other things too.
useLab(3, '--dispatcher-heartbeat', '2s');

const NODES = [1, 2, 3];
const PORT = 8080;
let load: Load;

beforeEach(async () => {
  await tsswarm('service', 'create', '--quiet', '--name', 'web', '--replicas', '6', '--publish', `${PORT}:80`, IMAGE);
});
afterEach(async () => {
  await load?.stop();
  await mend(NODES);
  await tsswarm('service', 'rm', 'web');
  await nodesReady();
});

async function startLoad(nodes: readonly number[]): Promise<void> {
  load = new Load(nodes.map((node) => `http://${addressOf(node)}:${PORT}/`));
  await moreSamples(20);
}

async function moreSamples(count: number): Promise<void> {
  const target = load.samples.length + count;
  await until(`${count} more requests`, 20, async () => load.samples.length >= target || undefined);
}

async function nodesReady(): Promise<void> {
  await until('all nodes are ready', 30, async () => {
    const nodes = [...((await nodesSeenBy(1))?.values() ?? [])];
    return (nodes.length === 3 && nodes.every(({ status }) => status.state === NodeState.READY)) || undefined;
  });
}

const sameContainers = (work: () => Promise<void>) =>
  nothingRestarted('web', 6, async () => {
    await work();
    await nodesReady();
  });

test('kill -9 of a worker’s daemon - after its restart the containers are the same, no request is lost', async () => {
  await sameContainers(async () => {
    await startLoad([1, 2, 3]);
    await tsswarm('lab', 'kill', 'node2');
    await moreSamples(50);
    await tsswarm('lab', 'start', 'node2');
    await moreSamples(100);
  });
  expect(load.failures).toEqual([]);
});

test('kill -9 of the manager - what was acknowledged is there again, no request is lost', async () => {
  await sameContainers(async () => {
    await startLoad([1, 2, 3]);
    await tsswarm('network', 'create', '--driver', 'overlay', 'kept');
    await tsswarm('lab', 'kill', 'node1');
    await moreSamples(50);
    await tsswarm('lab', 'start', 'node1');
    const networks = await tsswarmRows<{ Name: string }>('network', 'ls');
    expect(networks.map(({ Name }) => Name)).toContain('kept');
    await tsswarm('network', 'rm', 'kept');
    await moreSamples(100);
  });
  expect(load.failures).toEqual([]);
});

test('kill -9 of the manager while it is written to - every write that was acknowledged is there', async () => {
  const acknowledged: string[] = [];
  const write = async () => {
    for (let i = 0; ; i++) {
      const { code } = await tsswarmOutcome(['network', 'create', '--driver', 'overlay', `written-${i}`]);
      if (code !== 0) return;
      acknowledged.push(`written-${i}`);
    }
  };
  const writing = write();
  await until('some writes', 10, async () => acknowledged.length >= 4 || undefined);
  await tsswarm('lab', 'kill', 'node1');
  await writing;
  await tsswarm('lab', 'start', 'node1');
  const names = (await tsswarmRows<{ Name: string }>('network', 'ls')).map(({ Name }) => Name);
  expect(names).toEqual(expect.arrayContaining(acknowledged));
  await tsswarm('network', 'rm', ...names.filter((name) => name.startsWith('written-')));
});

test('kill -9 of all daemons at once - the swarm goes on, no request is lost', async () => {
  await sameContainers(async () => {
    await startLoad([1, 2, 3]);
    await Promise.all(['node1', 'node2', 'node3'].map((node) => tsswarm('lab', 'kill', node)));
    await moreSamples(50);
    await Promise.all(['node1', 'node2', 'node3'].map((node) => tsswarm('lab', 'start', node)));
    await moreSamples(100);
  });
  expect(load.failures).toEqual([]);
});

test('a machine starts anew - nothing of its tasks is left in the kernel, and they run again', async () => {
  await tsswarm('lab', 'kill', '--containers', 'node2');
  const { runRoot, dataRoot } = nodeOf(2);
  const { stdout: mounts } = await execute('grep', ['-oE', `(${runRoot}|${dataRoot})/[^ ]*`, '/proc/mounts']);
  await execute('umount', ['--lazy', ...mounts.split('\n').filter(Boolean).reverse()]);
  await rm(runRoot, { recursive: true });
  await execAt('node2', ['ip', 'link', 'delete', 'swarm_gwbridge']);
  await execAt('node2', ['nft', 'flush', 'ruleset']);
  await tsswarm('lab', 'start', 'node2');
  await nodesReady();
  await until('six tasks run, those of node2 anew', 30, async () => {
    const tasks = await runningTasks('web');
    return (tasks.length === 6 && (await servers()).length === 6) || undefined;
  });
  await startLoad([1, 2, 3]);
  await moreSamples(60);
  expect(load.failures).toEqual([]);
  expect(new Set(load.samples.map(({ hostname }) => hostname)).size).toBe(6);
});

test('a worker dies with its containers - its tasks are placed on the others, and requests go on', async () => {
  await startLoad([1, 2]);
  await tsswarm('lab', 'kill', '--containers', 'node3');
  await until('six tasks on two nodes', 30, async () => {
    const tasks = await runningTasks('web');
    return (tasks.length === 6 && tasks.every(({ Node }) => Node !== 'node3')) || undefined;
  });
  const placed = Date.now();
  await moreSamples(150);
  expect(load.failures.filter(({ at }) => at > placed)).toEqual([]);
});

test('the daemon of a worker stays away - its tasks are replaced, and its node goes on answering', async () => {
  await tsswarm('lab', 'kill', 'node3');
  await until('six tasks on two nodes', 30, async () => {
    const tasks = await runningTasks('web');
    return (tasks.length === 6 && tasks.every(({ Node }) => Node !== 'node3')) || undefined;
  });
  await startLoad([1, 2, 3]);
  await moreSamples(60);
  await load.stop();
  expect(load.failures).toEqual([]);
});

test('a worker is cut off - its tasks are placed on the others; when it is back, only as many run as are wanted', async () => {
  await tsswarm('lab', 'partition', 'node3');
  await until('six tasks on two nodes', 30, async () => {
    const tasks = await runningTasks('web');
    return (tasks.length === 6 && tasks.every(({ Node }) => Node !== 'node3')) || undefined;
  });
  await startLoad([1, 2]);
  await moreSamples(60);
  await tsswarm('lab', 'heal', 'node3');
  await nodesReady();
  await until('six containers', 30, async () => (await servers()).length === 6 || undefined);
  await moreSamples(100);
  expect(load.failures).toEqual([]);
});
