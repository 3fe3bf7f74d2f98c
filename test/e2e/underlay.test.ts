import { execFileSync, spawnSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { heal, partition, partitioned } from '../../lab/faults.js';
import { describeInventory, takeInventory } from '../../lab/inventory.js';
import { CLIENT_ADDRESS, nodeLayout } from '../../lab/layout.js';
import { takeDown } from '../../lab/teardown.js';
import { createUnderlay } from '../../lab/underlay.js';

const node1 = nodeLayout(1);
const node2 = nodeLayout(2);

const inNamespace = (name: string, ...command: string[]) => spawnSync('ip', ['netns', 'exec', name, ...command]).status;
const ping = (from: string, to: string) => inNamespace(from, 'busybox', 'ping', '-c', '1', '-W', '1', to) === 0;

let made = false;
beforeAll(async () => {
  if (process.env.CI) await takeDown();
  await createUnderlay([node1, node2], false);
  made = true;
});
afterAll(async () => {
  if (made) await takeDown();
});

test('underlay - nodes and client reach each other, the machine itself reaches none', () => {
  expect(ping('lab-client', node1.address)).toBe(true);
  expect(ping('lab-node2', node1.address)).toBe(true);
  expect(ping('lab-node1', CLIENT_ADDRESS)).toBe(true);
  const routes = execFileSync('ip', ['-j', 'route', 'get', node1.address], { encoding: 'utf8' });
  expect(routes).not.toContain('lab');
  expect(execFileSync('ip', ['-j', 'address'], { encoding: 'utf8' })).not.toContain('203.0.113.');
});

test('underlay - a partitioned node reaches nobody until it is healed', async () => {
  await partition(node2, 'both');
  expect(await partitioned()).toEqual(new Set(['node2']));
  expect(ping('lab-node2', node1.address)).toBe(false);
  expect(ping('lab-client', node1.address)).toBe(true);
  await heal(node2);
  await heal(node2);
  expect(await partitioned()).toEqual(new Set());
  expect(ping('lab-node2', node1.address)).toBe(true);
});

test('underlay - a one-way partition loses what the node sends, not what it is sent', async () => {
  const received = () => {
    const text = execFileSync('ip', ['-j', '-s', '-n', 'lab-node2', 'link', 'show', 'eth0'], { encoding: 'utf8' });
    return (JSON.parse(text) as [{ stats64: { rx: { packets: number } } }])[0].stats64.rx.packets;
  };
  await partition(node2, 'outgoing');
  const before = received();
  expect(ping('lab-client', node2.address)).toBe(false);
  expect(received()).toBeGreaterThan(before);
  await heal(node2);
});

test('takeDown - takes processes that somebody started in its namespaces too, and is fine twice', async () => {
  spawnSync('sh', ['-c', 'nsenter --net=/run/netns/lab-node1 sleep 3000 >/dev/null 2>&1 &']);
  expect(await takeDown()).toBe(true);
  expect(describeInventory(takeInventory())).toEqual([]);
  expect(spawnSync('pgrep', ['-f', 'sleep 3000']).status).toBe(1);
  expect(execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })).not.toContain('lab-');
  expect(await takeDown()).toBe(false);
});
