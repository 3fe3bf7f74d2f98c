import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { execute, LAB, nodeOf, tsswarm, tsswarmOutcome } from '../../demo/cli.js';
import { leftovers } from '../../demo/leftovers.js';
import { until } from '../../demo/steps.js';
import { heal, partition, partitioned } from '../../lab/faults.js';
import { describeInventory, takeInventory } from '../../lab/inventory.js';
import { CLIENT_ADDRESS, namespaceOf } from '../../lab/layout.js';
import { takeDown } from '../../lab/teardown.js';
import { createUnderlay } from '../../lab/underlay.js';

const node1 = nodeOf(1);
const node2 = nodeOf(2);
const client = namespaceOf(LAB, 'client');

const inNamespace = (name: string, ...command: string[]) => spawnSync('ip', ['netns', 'exec', name, ...command]).status;
const ping = (from: string, to: string) => inNamespace(from, 'busybox', 'ping', '-c', '1', '-W', '1', to) === 0;
/** A link that has just come up takes packets as soon as the kernel has come to it, which on a busy machine takes seconds. */
const reaches = (from: string, to: string) =>
  until(`${from} reaches ${to}`, 20, async () => ping(from, to) || undefined);

beforeAll(() => createUnderlay(LAB, [node1, node2], false));
afterAll(() => takeDown(LAB));

test('underlay - nodes and client reach each other, the machine itself reaches none', async () => {
  await reaches(client, node1.address);
  await reaches(node2.namespace, node1.address);
  await reaches(node1.namespace, CLIENT_ADDRESS);
  const routes = execFileSync('ip', ['-j', 'route', 'get', node1.address], { encoding: 'utf8' });
  expect(routes).not.toContain('lab');
  expect(execFileSync('ip', ['-j', 'address'], { encoding: 'utf8' })).not.toContain('203.0.113.');
});

test('underlay - a partitioned node reaches nobody until it is healed', async () => {
  await partition(node2, 'both');
  expect(await partitioned(LAB)).toEqual(new Set(['node2']));
  expect(ping(node2.namespace, node1.address)).toBe(false);
  await reaches(client, node1.address);
  await heal(node2);
  await heal(node2);
  expect(await partitioned(LAB)).toEqual(new Set());
  await reaches(node2.namespace, node1.address);
});

test('underlay - a one-way partition loses what the node sends, not what it is sent', async () => {
  const received = () => {
    const text = execFileSync('ip', ['-j', '-s', '-n', node2.namespace, 'link', 'show', 'eth0'], { encoding: 'utf8' });
    return (JSON.parse(text) as [{ stats64: { rx: { packets: number } } }])[0].stats64.rx.packets;
  };
  await reaches(client, node2.address);
  await partition(node2, 'outgoing');
  const before = received();
  expect(ping(client, node2.address)).toBe(false);
  expect(received()).toBeGreaterThan(before);
  await heal(node2);
});

test('takeDown - takes processes that somebody started in its namespaces too, and is fine twice', async () => {
  const net = `--net=/run/netns/${node1.namespace}`;
  const other = spawn('nsenter', [net, 'sh', '-c', 'echo; exec sleep 600'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(other, 'exit');
  // Its line says that it is in the namespace.
  await once(other.stdout, 'data');
  expect(await takeDown(LAB)).toBe(true);
  expect(await ended).toEqual([null, 'SIGKILL']);
  expect(describeInventory(await takeInventory(LAB))).toEqual([]);
  expect(execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })).not.toContain(LAB.prefix);
  expect(await takeDown(LAB)).toBe(false);
});

// In this file, since the first test wants the machine to have no such link: files run side by side.
test('lab up --attach-host - the machine itself reaches the nodes, of one lab at a time', async () => {
  await tsswarm('lab', 'up', '--nodes', '1', '--attach-host');
  const echo = () => execute('busybox', ['ping', '-c', '1', '-W', '1', node1.address]);
  await until('the machine reaches node1', 20, async () => (await echo()).code === 0 || undefined);
  const second = await tsswarmOutcome(['lab', 'up', '--name', `${LAB.name}-2`, '--nodes', '1', '--attach-host']);
  await tsswarm('lab', 'down');
  expect(second.stderr).toContain(`this machine is attached to the lab "${LAB.name}" already`);
  expect(second.code).toBe(1);
  expect(await leftovers()).toEqual([]);
});
