/** From the bridge docker0 to containers that talk to each other: here it is tsswarm0. One machine, no swarm needed. */
import { beforeAll, expect, test } from 'vitest';
import { execAt } from '../../../demo/cli.js';
import { addressOf, useLab } from '../lab.js';
import {
  importBusybox,
  inspect,
  link,
  netnsOf,
  network,
  networkRows,
  on,
  portsOf,
  shell,
  succeeds,
  v4,
} from './walk.js';

useLab(1);
beforeAll(importBusybox);

const node = netnsOf(1);
const first = '172.17.0.2';
const second = '172.17.0.3';

test('before any container - the bridge is there, with its address and no port', async () => {
  expect(await portsOf(node, 'tsswarm0')).toEqual([]);
  expect(v4(await link(node, 'tsswarm0'))).toEqual(['172.17.0.1/16']);
  const rows = (await networkRows(1)).map(([, ...row]) => row);
  expect(rows).toEqual(
    expect.arrayContaining([
      ['bridge', 'bridge', 'local'],
      ['host', 'host', 'local'],
      ['none', 'null', 'local'],
    ]),
  );
  const { IPAM, Scope, Driver, Containers } = await network(1, 'bridge');
  expect({ Scope, Driver, Containers }).toEqual({ Scope: 'local', Driver: 'bridge', Containers: {} });
  expect(IPAM.Config[0]?.Subnet).toBe('172.17.0.0/16');
});

test('the first container - gets an address, and a veth pair whose ends know each other', async () => {
  const id = (await on(1, 'run', '-dit', '--name', 'busybox1', 'busybox', 'sh')).trim();
  expect(id).toMatch(/^[0-9a-f]{64}$/);
  const { Containers } = await network(1, 'bridge');
  expect(Containers[id]).toMatchObject({
    Name: 'busybox1',
    MacAddress: '02:42:ac:11:00:02',
    IPv4Address: `${first}/16`,
  });
  const [port = ''] = await portsOf(node, 'tsswarm0');
  expect(port).toMatch(/^veth/);
  const outside = await link(node, port);
  const inside = await link((await inspect(1, 'busybox1')).NetworkSettings.SandboxKey, 'eth0');
  expect(outside.link_index).toBe(inside.ifindex);
  expect(inside.link_index).toBe(outside.ifindex);
  expect(v4(outside)).toEqual([]);
  // And as the container itself sees it: `5: eth0@if6: …`
  const shown = await on(1, 'exec', 'busybox1', 'ip', 'addr', 'show');
  expect(shown).toContain(`${inside.ifindex}: eth0@if${outside.ifindex}:`);
  expect(shown).toContain(`inet ${first}/16`);
});

test('the second container - is on the same bridge', async () => {
  await on(1, 'run', '-dit', '--name', 'busybox2', 'busybox', 'sh');
  expect(await portsOf(node, 'tsswarm0')).toHaveLength(2);
  const names = Object.values((await network(1, 'bridge')).Containers).map(({ Name, IPv4Address }) => [
    Name,
    IPv4Address,
  ]);
  expect(names.sort()).toEqual([
    ['busybox1', `${first}/16`],
    ['busybox2', `${second}/16`],
  ]);
});

test('they reach each other, the machine, and what is beyond it under its address', async () => {
  await on(1, 'exec', 'busybox1', 'ping', '-c', '1', '-W', '2', second);
  await on(1, 'exec', 'busybox2', 'ping', '-c', '1', '-W', '2', first);
  await on(1, 'exec', 'busybox1', 'ping', '-c', '1', '-W', '2', '172.17.0.1');
  await shell(1, 'ping', '-c', '1', '-W', '2', first);
  // The client knows no route to 172.17.0.0/16: only a translated source can be answered.
  await on(1, 'exec', 'busybox1', 'ping', '-c', '1', '-W', '2', '203.0.113.250');
  expect(await shell(1, 'ip', 'route', 'show', 'dev', 'tsswarm0')).toContain('172.17.0.0/16');
  expect(await on(1, 'exec', 'busybox1', 'ip', 'route')).toContain('default via 172.17.0.1 dev eth0');
});

test('-p - a port of the machine leads into the container, for all who ask', async () => {
  const serve = 'mkdir -p /w && echo hello from web > /w/index.html && httpd -f -p 80 -h /w';
  await on(1, 'run', '-d', '--name', 'web', '-p', '8080:80', 'busybox', 'sh', '-c', serve);
  expect(await on(1, 'port', 'web')).toContain('80/tcp -> 0.0.0.0:8080');
  const url = `http://${addressOf(1)}:8080/`;
  const ask = ['curl', '--silent', '--show-error', '--max-time', '2', '--retry', '5', '--retry-connrefused'];
  expect((await execAt('client', [...ask, url])).stdout).toBe('hello from web\n');
  expect(await shell(1, ...ask, url)).toBe('hello from web\n');
  expect(await shell(1, ...ask, 'http://127.0.0.1:8080/')).toBe('hello from web\n');
  // By the machine's address, from a neighbour and from the container itself.
  for (const name of ['busybox1', 'web'])
    expect(await on(1, 'exec', name, 'wget', '-q', '-O', '-', url)).toBe('hello from web\n');
});

test('when containers are gone, so are their ports', async () => {
  await on(1, 'rm', '-f', 'busybox1', 'busybox2', 'web');
  expect(await portsOf(node, 'tsswarm0')).toEqual([]);
  expect((await network(1, 'bridge')).Containers).toEqual({});
  expect(await succeeds(shell(1, 'curl', '--silent', '--max-time', '1', 'http://127.0.0.1:8080/'))).toBe(false);
});
