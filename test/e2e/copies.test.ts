import { existsSync } from 'node:fs';
import { cp, readFile, rm } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { nodeOf, tsswarm, tsswarmOutcome, tsswarmRows } from '../../demo/cli.js';
import { addressOf, onNode, useLab } from './lab.js';

useLab(3);

/** Gives a node of the lab the data root of another one, which goes on running. */
async function copyDataRoot(from: number, to: number): Promise<void> {
  await tsswarm('lab', 'stop', `node${to}`);
  const { dataRoot } = nodeOf(to);
  await rm(dataRoot, { recursive: true });
  await cp(nodeOf(from).dataRoot, dataRoot, { recursive: true, force: true });
}

const nodes = () =>
  tsswarmRows<{ Hostname: string; Status: string; ManagerStatus: string; ID: string }>('node', 'ls').then(
    (rows) => new Map(rows.map((row) => [row.Hostname, row])),
  );
const copiesError = async () => (await onNode(3, 'info')).stdout.replaceAll(/\s+/g, ' ');

test('a copied worker - it is refused with the reason, can leave without harm to the first, and joins anew', async () => {
  await copyDataRoot(2, 3);
  await tsswarm('lab', 'start', 'node3');
  await expect
    .poll(copiesError, { timeout: 15_000 })
    .toContain(`runs already, at ${addressOf(2)}: this machine (${addressOf(3)}) is a second one with its identity`);
  const pretty = await tsswarm('node', 'inspect', '--pretty', 'node2');
  expect(pretty).toContain(`a second machine (${addressOf(3)}) ran as this node, and was refused at`);
  expect(await onNode(3, 'leave')).toMatchObject({ code: 0 });
  expect((await nodes()).get('node2')?.Status).toBe('Ready');
  const token = (await tsswarm('swarm', 'join-token', '--quiet', 'worker')).trim();
  await tsswarm('node', 'rm', '--force', 'node3');
  const joined = await onNode(3, 'join', '--advertise-addr', addressOf(3), '--token', token, addressOf(1));
  expect(joined).toMatchObject({ code: 0 });
  expect((await nodes()).get('node3')?.Status).toBe('Ready');
});

test('a copied manager - it ends with the reason, and the first one keeps its place', async () => {
  await tsswarm('node', 'promote', 'node2');
  await expect.poll(async () => (await nodes()).get('node2')?.ManagerStatus, { timeout: 15_000 }).toBe('Reachable');
  await copyDataRoot(2, 3);
  const { logFile, pidFile } = nodeOf(3);
  // It may have ended before the lab has seen it ready.
  await tsswarmOutcome(['lab', 'start', 'node3']);
  const log = () => readFile(logFile, 'utf8');
  await expect.poll(log, { timeout: 15_000 }).toMatch(/fatal: node \S+ \(Raft member \d+\) runs already/);
  const isGone = async () => !existsSync(`/proc/${(await readFile(pidFile, 'utf8').catch(() => '')).trim() || 'none'}`);
  await expect.poll(isGone).toBe(true);
  expect((await nodes()).get('node2')).toMatchObject({ Status: 'Ready', ManagerStatus: 'Reachable' });
  // Both are needed for this.
  await tsswarm('service', 'create', '--quiet', '--detach', '--name', 'idle', '--replicas', '0', 'none');
});
