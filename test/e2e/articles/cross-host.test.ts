/** Two overlay networks over two machines: who reaches whom, and what in the kernel makes it so. */
import { beforeAll, expect, test } from 'vitest';
import { spawnAt } from '../../../demo/cli.js';
import { addressOf, useLab } from '../lab.js';
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
  portsOf,
  shell,
  succeeds,
  until,
  v4,
} from './walk.js';

useLab(2);
beforeAll(importBusybox);

const ping = (node: number, container: string, to: string) =>
  on(node, 'exec', container, 'ping', '-c', '1', '-W', '2', to);
const addressIn = async (node: number, container: string, name: string) =>
  (await inspect(node, container)).NetworkSettings.Networks[name]?.IPAddress ?? '';

/** The namespace of an overlay on a node: `1-` and ten characters of its id. */
const overlay = async (node: number, name: string) =>
  `${netnsFolder(node)}/1-${(await network(node, name)).Id.slice(0, 10)}`;

test('networks - are made once and seen on both machines under one id', async () => {
  await on(1, 'network', 'create', '-d', 'overlay', '--attachable', 'net1');
  await on(1, 'network', 'create', '-d', 'overlay', '--attachable', 'net2');
  for (const node of [1, 2]) {
    const place = node === 1 ? 'net1c1' : 'net1c2';
    await on(node, 'run', '-itd', '--name', place, '--net', 'net1', 'busybox');
    await on(node, 'run', '-itd', '--name', place.replace('net1', 'net2'), '--net', 'net2', 'busybox');
  }
  const rows = await Promise.all([1, 2].map(networkRows));
  for (const name of ['net1', 'net2']) {
    const [a, b] = rows.map((list) => list.find((row) => row[1] === name));
    expect(a).toEqual([expect.stringMatching(/^\w{12}$/), name, 'overlay', 'swarm']);
    expect(b).toEqual(a);
  }
});

test('containers of one network reach each other by name and address; the networks are isolated', async () => {
  for (const name of ['net1', 'net2']) {
    await ping(1, `${name}c1`, `${name}c2`);
    await ping(2, `${name}c2`, `${name}c1`);
  }
  const strangers: [number, string, string][] = [
    [1, 'net1c1', await addressIn(1, 'net2c1', 'net2')],
    [1, 'net1c1', await addressIn(2, 'net2c2', 'net2')],
    [2, 'net2c2', await addressIn(2, 'net1c2', 'net1')],
    [2, 'net2c2', await addressIn(1, 'net1c1', 'net1')],
  ];
  const reached = strangers.map(([node, container, address]) => succeeds(ping(node, container, address)));
  expect(await Promise.all(reached)).toEqual(strangers.map(() => false));
});

test('isolation - holds for TCP, both ways, on one machine and between two', async () => {
  for (const [node, name] of [
    [1, 'net2c1'],
    [2, 'net2c2'],
  ] as const)
    await on(node, 'exec', '-d', name, 'httpd', '-f', '-p', '7000');
  const reach = (node: number, container: string, address: string) =>
    succeeds(on(node, 'exec', container, 'nc', '-w', '2', address, '7000'));
  const servers = [await addressIn(1, 'net2c1', 'net2'), await addressIn(2, 'net2c2', 'net2')];
  for (const server of servers) {
    await until(`net2 reaches ${server}`, 5, async () => ((await reach(1, 'net2c1', server)) ? true : undefined));
    const strangers = [reach(1, 'net1c1', server), reach(2, 'net1c2', server)];
    expect(await Promise.all(strangers)).toEqual([false, false]);
  }
});

test('in the container - eth0 in the overlay, eth1 on the gateway bridge with the default route', async () => {
  const [first, second] = [await addressIn(1, 'net1c1', 'net1'), await addressIn(2, 'net1c2', 'net1')];
  const sandbox = (await inspect(1, 'net1c1')).NetworkSettings.SandboxKey;
  const eth0 = await link(sandbox, 'eth0');
  const eth1 = await link(sandbox, 'eth1');
  expect(v4(eth0)).toEqual([`${first}/24`]);
  expect(eth0).toMatchObject({ mtu: 1450, address: macOf(first) });
  expect(v4(eth1)[0]).toMatch(/^172\.18\.\d+\.\d+\/16$/);
  expect(eth1.mtu).toBe(1500);
  const routes = (await on(1, 'exec', 'net1c1', 'ip', 'route')).split('\n');
  expect(routes).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^default via 172\.18\.0\.1 dev eth1/),
      expect.stringMatching(/^10\.0\.1\.0\/24 dev eth0/),
      expect.stringMatching(/^172\.18\.0\.0\/16 dev eth1/),
    ]),
  );
  expect(second).not.toBe(first);
});

test('on the machine - the gateway bridge has their ports, tsswarm0 has none', async () => {
  const node = netnsOf(1);
  expect(v4(await link(node, 'swarm_gwbridge'))).toEqual(['172.18.0.1/16']);
  // net1c1, net2c1 and ingress_sbox.
  expect(await portsOf(node, 'swarm_gwbridge')).toHaveLength(3);
  expect(await portsOf(node, 'tsswarm0')).toEqual([]);
});

test('in the overlay’s namespace - a bridge with the gateway, the VXLAN device, and the other end of eth0', async () => {
  const names = (await shell(1, 'ls', netnsFolder(1))).trim().split('\n');
  const space = await overlay(1, 'net1');
  expect(names).toContain(space.split('/').at(-1));
  expect(v4(await link(space, 'br0'))).toEqual(['10.0.1.1/24']);
  expect(await inNamespace(space, 'ip', 'route')).toMatch(/^10\.0\.1\.0\/24 dev br0 /m);
  const ports = await portsOf(space, 'br0');
  expect(ports).toHaveLength(2);
  expect(ports).toContain('vxlan0');
  const veth = await link(space, ports.find((name) => name !== 'vxlan0') ?? '');
  const sandbox = (await inspect(1, 'net1c1')).NetworkSettings.SandboxKey;
  expect(await peerIndex(sandbox, 'eth0')).toBe(veth.ifindex);
  const [vxlan] = await links(space, 'type', 'vxlan');
  expect(vxlan).toMatchObject({ ifname: 'vxlan0', mtu: 1450, linkinfo: { info_data: { port: 4789, proxy: true } } });
  const other = await overlay(1, 'net2');
  const [second] = await links(other, 'type', 'vxlan');
  expect(second?.linkinfo?.info_data?.id).not.toBe(vxlan?.linkinfo?.info_data?.id);
});

test('the way to the other machine - a permanent ARP entry, an FDB entry, and VXLAN packets on the wire', async () => {
  const space = await overlay(1, 'net1');
  const remote = await addressIn(2, 'net1c2', 'net1');
  const mac = macOf(remote);
  expect(await inNamespace(space, 'ip', 'neigh', 'show', remote)).toContain(`dev vxlan0 lladdr ${mac} PERMANENT`);
  expect(await inNamespace(space, 'bridge', 'fdb', 'show', 'dev', 'vxlan0')).toMatch(
    new RegExp(`^${mac} dst ${addressOf(2).replaceAll('.', '\\.')} .*self permanent`, 'm'),
  );
  const vni = (await links(space, 'type', 'vxlan'))[0]?.linkinfo?.info_data?.id;
  const capture = spawnAt('node1', ['tcpdump', '-lnni', 'eth0', '-c', '2', 'udp', 'port', '4789']);
  let seen = '';
  capture.stdout?.on('data', (data: Buffer) => {
    seen += data.toString();
  });
  try {
    await until('VXLAN packets', 10, async () => {
      await ping(1, 'net1c1', remote);
      return /ICMP echo reply/.test(seen) ? true : undefined;
    });
  } finally {
    capture.kill();
  }
  expect(seen).toContain(`${addressOf(1)}.`);
  expect(seen).toContain(`> ${addressOf(2)}.4789: VXLAN, flags [I] (0x08), vni ${vni}`);
  expect(seen).toContain(`> ${remote}: ICMP echo request`);
});

test('when the containers are gone - so are the overlays from the machines', async () => {
  const spaces = await Promise.all([1, 2].map((node) => overlay(node, 'net1')));
  for (const node of [1, 2]) await on(node, 'rm', '-f', `net1c${node}`, `net2c${node}`);
  await until('the overlays are gone', 10, async () =>
    (await Promise.all(spaces.map((space) => succeeds(inNamespace(space, 'true'))))).includes(true) ? undefined : true,
  );
  await on(1, 'network', 'rm', 'net1', 'net2');
  expect((await networkRows(2)).map((row) => row[1])).not.toContain('net1');
});

function macOf(address: string): string {
  return ['02', '42', ...address.split('.').map((part) => Number(part).toString(16).padStart(2, '0'))].join(':');
}
