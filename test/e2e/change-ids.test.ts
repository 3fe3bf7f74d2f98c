import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { nodeOf, runningTasks, tsswarm, tsswarmOutcome } from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import { requests } from '../../demo/traffic.js';
import { addressOf, hostOf, IMAGE, useLab } from './lab.js';
import { useServices } from './services.js';

useLab(2);
const { create } = useServices();

interface Line {
  readonly msg: string;
  readonly change?: string;
  readonly changes?: readonly string[];
  readonly operations?: Readonly<Record<string, readonly string[]>>;
}

/** What a node's log tells of an id, as `grep` finds it. */
async function grep(node: number, id: string): Promise<readonly Line[]> {
  const text = await readFile(nodeOf(node).logFile, 'utf8');
  const lines = text.split('\n').filter((line) => line.includes(id));
  return lines.map((line) => JSON.parse(line) as Line);
}

/** Runs a change on a node. @returns the id that the command shows for debugging */
async function changed(node: number, ...args: readonly string[]): Promise<string> {
  const { code, stderr } = await tsswarmOutcome(['--host', hostOf(node), ...args], { TSSWARM_DEBUG: '1' });
  expect(code).toBe(0);
  const id = /^Request id: (\w{10})$/m.exec(stderr)?.[1];
  if (id === undefined) throw new Error(`no request id in: ${stderr}`);
  return id;
}

const told = (lines: readonly Line[]) => lines.map(({ msg }) => msg);
const operations = (lines: readonly Line[], namespace: string) =>
  lines.flatMap((line) => line.operations?.[namespace] ?? []);

test('one id leads from a command on one manager through the leader to the kernel of each node', async () => {
  await tsswarm('node', 'promote', 'node2');
  await until('node2 answers as a manager', 20, async () =>
    (await tsswarmOutcome(['--host', hostOf(2), 'node', 'ls'])).code === 0 ? true : undefined,
  );
  await create('quiet', '--publish', '8081:80', IMAGE);
  await create('web', '--replicas', '2', IMAGE);
  const before = (await runningTasks('quiet')).map(({ ID }) => ID);

  const id = await changed(2, 'service', 'update', '--publish-add', '8080:80', 'web');
  expect(await requests(`http://${addressOf(1)}:8080/`, 4)).toHaveLength(4);
  await until('both kernels balance the new tasks', 20, async () => {
    const all = await Promise.all([grep(1, id), grep(2, id)]);
    return all.every((lines) => told(lines).includes('task web: started')) ? true : undefined;
  });
  const [leader, asked] = await Promise.all([grep(1, id), grep(2, id)]);

  expect(told(asked)).toContain('call updateService: OK');
  expect(told(leader)).toContain('call updateService: OK');
  expect(told(leader)).toContain('written for an operator');
  expect(told(leader)).toContain('tasks made, given nodes, or stopped for an operator');
  for (const lines of [leader, asked]) {
    expect(operations(lines, 'ingress_sbox').join()).toContain('run-nft');
    expect(operations(lines, 'node').join()).toContain('run-nft');
    expect(told(lines)).toContain('task web: its container is to stop');
  }
  // Nothing else was made anew by it.
  expect((await runningTasks('quiet')).map(({ ID }) => ID)).toEqual(before);
  expect((await Promise.all([grep(1, id), grep(2, id)])).flatMap(told).join()).not.toContain('task quiet');
});
