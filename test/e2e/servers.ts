import { readFile } from 'node:fs/promises';
import { expect } from 'vitest';
import { execute, LAB, runningTasks } from '../../demo/cli.js';
import { IMAGE_SERVER } from '../../demo/image.js';
import { until } from '../../demo/steps.js';

/**
 * Pids of the web servers in the lab's containers: the same ones as long as no container was restarted.
 * The children that a server forks for requests look alike; their parent is a server.
 */
export async function servers(): Promise<readonly string[]> {
  const { stdout } = await execute('ps', ['-eww', '-o', 'pid=,ppid=,args=']);
  const rows = stdout.split('\n').flatMap((line) => {
    const [, pid = '', parent = '', args = ''] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return args.trimEnd() === IMAGE_SERVER ? [{ pid, parent }] : [];
  });
  const pids = new Set(rows.map(({ pid }) => pid));
  const parents = rows.filter(({ parent }) => !pids.has(parent)).map(({ pid }) => pid);
  const ours = await Promise.all(parents.map(isInLab));
  return parents.filter((_, i) => ours[i]).sort();
}

/** Another lab's containers look alike, but for their cgroups. */
async function isInLab(pid: string): Promise<boolean> {
  // One that has ended meanwhile has none.
  const cgroups = await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => '');
  return cgroups.includes(`/tsswarm/${LAB.prefix}node`);
}

/** Checks that a service has the same tasks in the same containers after the work as before. */
export async function nothingRestarted(service: string, replicas: number, work: () => Promise<void>): Promise<void> {
  const ids = async () => (await runningTasks(service)).map(({ ID }) => ID).sort();
  const tasks = await ids();
  const before = await servers();
  expect(before).toHaveLength(replicas);
  await work();
  await until(`${replicas} tasks run`, 20, async () => (await ids()).length === replicas || undefined);
  expect(await ids()).toEqual(tasks);
  expect(await servers()).toEqual(before);
}
