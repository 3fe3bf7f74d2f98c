import { expect, test } from 'vitest';
import { type Endpoint, endpointsOf, execInTask, tsswarm, tsswarmInspect } from '../../demo/cli.js';
import { IMAGE, useLab } from './lab.js';

useLab(3);

const fetch = (from: Endpoint, address: string) =>
  execInTask(from, ['curl', '--silent', '--max-time', '1', `http://${address}/`]);
const ping = (from: Endpoint, address: string) => execInTask(from, ['busybox', 'ping', '-c', '1', '-W', '1', address]);

async function service(name: string, network: string, replicas: number): Promise<readonly Endpoint[]> {
  await tsswarm(
    'service',
    'create',
    '--quiet',
    '--name',
    name,
    '--replicas',
    String(replicas),
    '--network',
    network,
    IMAGE,
  );
  return endpointsOf(network, name);
}

test('tasks on three nodes reach each other by address; those of another network cannot be reached', async () => {
  await tsswarm('network', 'create', '--driver', 'overlay', '--subnet', '10.20.0.0/24', 'back');
  await tsswarm('network', 'create', '--driver', 'overlay', '--subnet', '10.30.0.0/24', 'other');
  const peers = await service('peer', 'back', 3);
  const strangers = await service('stranger', 'other', 3);
  expect(new Set(peers.map(({ node }) => node)).size).toBe(3);
  expect(peers.every(({ address }) => address.startsWith('10.20.0.'))).toBe(true);
  for (const from of peers) {
    for (const to of peers) {
      expect(await ping(from, to.address)).toMatchObject({ code: 0 });
      expect((await fetch(from, to.address)).stdout).toContain('Hostname: ');
    }
    const codes = await Promise.all(strangers.map(async (to) => (await fetch(from, to.address)).code));
    expect(codes).not.toContain(0);
  }
});

test('a large payload passes: the MTU fits the underlay', async () => {
  await tsswarm('network', 'create', '--driver', 'overlay', 'big');
  const [a, b] = await service('bulk', 'big', 2);
  if (!a || !b) throw new Error('two tasks were expected');
  // The largest that is not fragmented: 1450 less the headers of IP and ICMP.
  expect(await execInTask(a, ['busybox', 'ping', '-c', '1', '-W', '1', '-s', '1422', b.address])).toMatchObject({
    code: 0,
  });
  const link = await execInTask(a, ['ip', '-j', 'link', 'show', 'eth0']);
  expect(JSON.parse(link.stdout)).toMatchObject([{ mtu: 1450 }]);
});

test('internal - no way out, no default route', async () => {
  await tsswarm('network', 'create', '--driver', 'overlay', '--internal', 'closed');
  const [task] = await service('shut', 'closed', 1);
  if (!task) throw new Error('a task was expected');
  const routes = await execInTask(task, ['ip', '-j', 'route', 'show', 'default']);
  expect(JSON.parse(routes.stdout || '[]')).toEqual([]);
});

test('a service’s virtual address leads to its tasks', async () => {
  await tsswarm('network', 'create', '--driver', 'overlay', 'virtual');
  const tasks = await service('vip', 'virtual', 3);
  const details = await tsswarmInspect<{ Endpoint: { VirtualIPs: { Addr: string }[] } }>('service', 'inspect', 'vip');
  const address = details.Endpoint.VirtualIPs[0]?.Addr.replace(/\/.*/, '') ?? '';
  for (const from of tasks) {
    const answers = [];
    for (let i = 0; i < 6; i++) answers.push((await fetch(from, address)).stdout);
    const hostnames = answers.map((text) => /^Hostname: (\S+)/m.exec(text)?.[1]);
    expect(new Set(hostnames).size).toBe(3);
  }
});
