/** One overlay with a chosen subnet, taken apart namespace by namespace: what is where, and what leads to what. */
import { beforeAll, expect, test } from 'vitest';
import { useLab } from '../lab.js';
import {
  importBusybox,
  inNamespace,
  inspect,
  link,
  links,
  netnsFolder,
  netnsOf,
  network,
  networkRows,
  on,
  peerIndex,
  shell,
  succeeds,
  v4,
} from './walk.js';

useLab(2);
beforeAll(importBusybox);

const sandboxKey = async () => (await on(1, 'inspect', 'X-1', '-f', '{{.NetworkSettings.SandboxKey}}')).trim();

test('the network has the same id on both machines', async () => {
  const id = (
    await on(
      1,
      'network',
      'create',
      '--driver',
      'overlay',
      '--attachable',
      '--subnet',
      '192.168.10.0/24',
      'demo-network',
    )
  ).trim();
  const run = ['run', '-d', '--ip', '192.168.10.100', '--net', 'demo-network', '--name', 'X-1'];
  expect((await on(1, ...run, 'busybox', 'sleep', '3600')).trim()).toMatch(/^[0-9a-f]{64}$/);
  expect((await networkRows(1)).find((row) => row[1] === 'demo-network')).toEqual([
    id.slice(0, 12),
    'demo-network',
    'overlay',
    'swarm',
  ]);
  expect((await on(1, 'network', 'inspect', 'demo-network', '-f', '{{.Id}}')).trim()).toBe(id);
});

test('a container on the other machine reaches the first; the machines themselves do not', async () => {
  const run = ['run', '--rm', '--net', 'demo-network', '--name', 'X-2', 'busybox'];
  const answer = await on(2, ...run, 'ping', '-c', '3', '-W', '2', '192.168.10.100');
  expect(answer).toContain('3 packets transmitted, 3 packets received, 0% packet loss');
  for (const node of [1, 2])
    expect(await succeeds(shell(node, 'ping', '-c', '1', '-W', '1', '192.168.10.100'))).toBe(false);
  // --rm: nothing is left of it.
  expect(await on(2, 'ps', '-a', '--format', '{{.Names}}')).toBe('');
});

test('the network is seen on the second machine while a container of its uses it', async () => {
  await on(2, 'run', '-d', '--net', 'demo-network', '--name', 'X-3', 'busybox', 'sleep', '3600');
  const rows = await Promise.all([1, 2].map(networkRows));
  const [first, second] = rows.map((list) => list.find((row) => row[1] === 'demo-network'));
  expect(second).toEqual(first);
  await on(2, 'rm', '-f', 'X-3');
});

test('inside the container - two interfaces, and the way out by the second', async () => {
  const shown = await on(1, 'exec', 'X-1', 'ip', 'addr', 'show');
  expect(shown).toMatch(/eth0@if\d+: .* mtu 1450/);
  expect(shown).toContain('link/ether 02:42:c0:a8:0a:64');
  expect(shown).toContain('inet 192.168.10.100/24');
  expect(shown).toMatch(/eth1@if\d+: .* mtu 1500/);
  expect(shown).toMatch(/inet 172\.18\.\d+\.\d+\/16/);
  const routes = await on(1, 'exec', 'X-1', 'ip', 'route', 'show');
  expect(routes).toMatch(/^default via 172\.18\.0\.1 dev eth1/m);
  expect(routes).toMatch(/^192\.168\.10\.0\/24 dev eth0 .*src 192\.168\.10\.100/m);
  await on(1, 'exec', 'X-1', 'ping', '-c', '1', '-W', '2', '203.0.113.250');
});

test('the sandbox - is a file that nsenter takes, named by inspect', async () => {
  const key = await sandboxKey();
  expect(await shell(1, 'ls', '-1', netnsFolder(1))).toContain(key.split('/').at(-1));
  expect(await inNamespace(key, 'ip', 'addr', 'show', 'eth0')).toContain('192.168.10.100/24');
});

test('eth1 - has its other end on swarm_gwbridge, whose containers do not reach each other there', async () => {
  const key = await sandboxKey();
  const node = netnsOf(1);
  const index = await peerIndex(key, 'eth1');
  const outside = (await links(node)).find(({ ifindex }) => ifindex === index);
  expect(outside?.master).toBe('swarm_gwbridge');
  const bridge = await network(1, 'swarm_gwbridge');
  expect(bridge).toMatchObject({
    Scope: 'local',
    Driver: 'bridge',
    Options: {
      'com.docker.network.bridge.enable_icc': 'false',
      'com.docker.network.bridge.enable_ip_masquerade': 'true',
      'com.docker.network.bridge.name': 'swarm_gwbridge',
    },
  });
  expect(bridge.IPAM.Config).toMatchObject([{ Subnet: '172.18.0.0/16', Gateway: '172.18.0.1' }]);
  const { Id } = await inspect(1, 'X-1');
  expect(bridge.Containers[Id]).toMatchObject({
    Name: `gateway_${Id.slice(0, 12)}`,
    IPv4Address: v4(await link(key, 'eth1'))[0],
  });
  await on(1, 'run', '-d', '--net', 'demo-network', '--name', 'X-4', 'busybox', 'sleep', '3600');
  const neighbour =
    v4(await link((await inspect(1, 'X-4')).NetworkSettings.SandboxKey, 'eth1'))[0]?.split('/')[0] ?? '';
  expect(await succeeds(on(1, 'exec', 'X-1', 'ping', '-c', '1', '-W', '1', neighbour))).toBe(false);
  await on(1, 'rm', '-f', 'X-4');
});

test('eth0 - has its other end in the namespace that bears the network’s id, beside the VXLAN device', async () => {
  const key = await sandboxKey();
  const index = await peerIndex(key, 'eth0');
  expect((await links(netnsOf(1))).map(({ ifindex, link_index }) => [ifindex, link_index])).not.toContainEqual([
    index,
    (await link(key, 'eth0')).ifindex,
  ]);
  const space = `${netnsFolder(1)}/1-${(await network(1, 'demo-network')).Id.slice(0, 10)}`;
  const all = await links(space);
  expect(all.map(({ ifname }) => ifname).filter((name) => name !== 'lo')).toHaveLength(3);
  const veth = all.find(({ ifindex }) => ifindex === index);
  expect(veth).toMatchObject({ master: 'br0', mtu: 1450, linkinfo: { info_kind: 'veth' } });
  expect(all.find(({ ifname }) => ifname === 'vxlan0')).toMatchObject({
    master: 'br0',
    linkinfo: { info_kind: 'vxlan', info_data: { port: 4789, proxy: true } },
  });
});

test('internal - a network without a way out', async () => {
  await on(1, 'network', 'create', '-d', 'overlay', '--attachable', '--internal', 'closed');
  const out = ['run', '--rm', '--net', 'closed', 'busybox', 'sh', '-c'];
  expect(await on(1, ...out, 'ip route')).not.toContain('default');
  expect(await succeeds(on(1, ...out, 'ping -c 1 -W 1 203.0.113.250'))).toBe(false);
});
