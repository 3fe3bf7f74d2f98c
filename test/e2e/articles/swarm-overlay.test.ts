/** The networks that a swarm makes by itself, and the way of a published port through them. */
import { beforeAll, expect, test } from 'vitest';
import { execAt, runningTasks, tsswarm } from '../../../demo/cli.js';
import { parseAnswer } from '../../../demo/image.js';
import { addressOf, IMAGE, useLab } from '../lab.js';
import {
  importBusybox,
  inNamespace,
  link,
  links,
  netnsFolder,
  netnsOf,
  network,
  networkRows,
  peerIndex,
  v4,
} from './walk.js';

useLab(3);
beforeAll(importBusybox);

const node = netnsOf(1);
const sandbox = `${netnsFolder(1)}/ingress_sbox`;

test('init - makes the gateway bridge and the ingress network', async () => {
  const rows = (await networkRows(1)).map(([, ...row]) => row);
  expect(rows).toContainEqual(['swarm_gwbridge', 'bridge', 'local']);
  expect(rows).toContainEqual(['ingress', 'overlay', 'swarm']);
});

test('swarm_gwbridge - 172.18.0.0/16, with ingress-sbox on it', async () => {
  const bridge = await network(1, 'swarm_gwbridge');
  expect(bridge.IPAM.Config).toMatchObject([{ Subnet: '172.18.0.0/16', Gateway: '172.18.0.1' }]);
  const [member] = Object.values(bridge.Containers);
  expect(member).toMatchObject({ Name: 'gateway_ingress-sbox', IPv4Address: '172.18.0.2/16' });
  expect(v4(await link(node, 'swarm_gwbridge'))).toEqual(['172.18.0.1/16']);
});

test('ingress_sbox - eth1 is the other end of the bridge’s port, eth0 of the ingress network’s', async () => {
  const port = await peerIndex(sandbox, 'eth1');
  expect((await links(node)).find(({ ifindex }) => ifindex === port)?.master).toBe('swarm_gwbridge');
  expect(v4(await link(sandbox, 'eth1'))).toEqual(['172.18.0.2/16']);
  const { Id } = await network(1, 'ingress');
  const space = `${netnsFolder(1)}/1-${Id.slice(0, 10)}`;
  const veth = await peerIndex(sandbox, 'eth0');
  const inOverlay = await links(space);
  expect(inOverlay.find(({ ifindex }) => ifindex === veth)?.master).toBe('br0');
  expect(inOverlay.find(({ ifname }) => ifname === 'vxlan0')).toMatchObject({ linkinfo: { info_kind: 'vxlan' } });
  expect(v4(await link(space, 'br0'))).toEqual(['10.0.0.1/24']);
});

test('ingress - 10.0.0.0/24, with ingress-sbox in it and every node as a peer', async () => {
  const ingress = await network(1, 'ingress');
  // Unlike Docker's it has IPv6 too.
  expect(ingress.IPAM.Config?.[0]).toMatchObject({ Subnet: '10.0.0.0/24', Gateway: '10.0.0.1' });
  expect(Object.values(ingress.Containers).map(({ Name }) => Name)).toContain('ingress-endpoint');
  expect(ingress.Peers?.map(({ IP }) => IP).sort()).toEqual([1, 2, 3].map(addressOf));
});

test('the next overlay - gets 10.0.1.0/24 and shares the gateway bridge', async () => {
  await tsswarm('network', 'create', '--driver', 'overlay', 'my-network');
  expect((await network(1, 'my-network')).IPAM.Config).toMatchObject([{ Subnet: '10.0.1.0/24' }]);
});

test('a published service - is marked in mangle and balanced over all replicas', async () => {
  await tsswarm('service', 'create', '--quiet', '--name', 'my-web', '--replicas', '5', '--publish', '80:80', IMAGE);
  const rules = await inNamespace(sandbox, 'nft', 'list', 'ruleset');
  expect(rules).toMatch(/hook prerouting priority mangle/);
  expect(await inNamespace(sandbox, 'nft', 'list', 'map', 'ip', 'tsswarm', 'marks')).toMatch(/tcp \. 80 : 0x0*100/);
  const names = new Set<string>();
  for (let i = 0; i < 15; i++) {
    const { stdout } = await execAt('client', [
      'curl',
      '--silent',
      '--max-time',
      '2',
      `http://${addressOf((i % 3) + 1)}/`,
    ]);
    const { hostname, client } = parseAnswer(stdout);
    names.add(hostname);
    expect(client).toBe('203.0.113.250');
  }
  expect(names.size).toBe((await runningTasks('my-web')).length);
});
