import { expect, test } from 'vitest';
import {
  type Endpoint,
  endpointsOf,
  execInTask,
  execute,
  netnsFile,
  runningTasks,
  tasksOf,
  tsswarm,
  tsswarmInspect,
  tsswarmOutcome,
} from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import { IMAGE, onNode, useLab } from './lab.js';

useLab(2);

const OVERLAY = ['network', 'create', '--driver', 'overlay'] as const;

async function service(name: string, network: string, ...options: readonly string[]): Promise<void> {
  await tsswarm('service', 'create', '--quiet', '--name', name, '--network', network, ...options, IMAGE);
}

async function endpoint(network: string, name: string): Promise<Endpoint> {
  const [found] = await endpointsOf(network, name);
  if (!found) throw new Error(`a task of ${name} was expected`);
  return found;
}

async function virtualAddresses(name: string): Promise<readonly string[]> {
  const { Endpoint: has } = await tsswarmInspect<{ Endpoint: { VirtualIPs?: { Addr: string }[] } }>(
    'service',
    'inspect',
    name,
  );
  return (has.VirtualIPs ?? []).map(({ Addr }) => Addr);
}

/** Data-path addresses of the nodes that have an endpoint in a network. */
async function peersOf(network: string): Promise<readonly string[]> {
  const { Peers: peers } = await tsswarmInspect<{ Peers?: { IP: string }[] | null }>(
    'network',
    'inspect',
    '--verbose',
    network,
  );
  return (peers ?? []).map(({ IP }) => IP);
}

const replaced = (name: string, before: string) =>
  until(`another task of ${name}`, 30, async () => {
    const tasks = await runningTasks(name);
    return tasks.length === 1 && tasks[0]?.ID !== before ? tasks[0] : undefined;
  });

test('a service has the virtual address that is asked for, and another when that is asked for', async () => {
  await tsswarm(...OVERLAY, '--subnet', '10.60.0.0/24', 'chosen');
  await service('web', 'name=chosen,ip=10.60.0.10', '--replicas', '2');
  await service('caller', 'chosen');
  const caller = await endpoint('chosen', 'caller');
  const answers = async (address: string) =>
    (await execInTask(caller, ['curl', '-s', '-m', '2', `http://${address}/`])).stdout.includes('Hostname:');
  expect(await answers('10.60.0.10')).toBe(true);
  const [before] = await runningTasks('web');

  await service('late', 'name=chosen,ip=10.60.0.10', '--detach');
  const waiting = await until('a task that waits', 10, async () => (await tasksOf('late')).find(({ Error: e }) => e));
  expect(waiting.Error).toContain('address 10.60.0.10 of network "chosen" is taken: it is that of service "web"');
  const change = ['--network-rm', 'chosen', '--network-add', 'name=chosen,ip=10.60.0.20'];
  await tsswarm('service', 'update', '--quiet', ...change, 'web');
  expect(await virtualAddresses('web')).toEqual(['10.60.0.20/24']);
  expect((await runningTasks('web')).map(({ ID }) => ID)).toContain(before?.ID);
  await until('the new address', 5, async () => (await answers('10.60.0.20')) || undefined);
  await until('what waited', 20, async () => (await runningTasks('late')).length === 1 || undefined);
  expect(await virtualAddresses('late')).toEqual(['10.60.0.10/24']);
});

test('a network is added to a running service, and taken away again', async () => {
  await tsswarm(...OVERLAY, '--subnet', '10.61.0.0/24', 'more');
  const caller = await endpoint('chosen', 'caller');
  await tsswarm('service', 'update', '--quiet', '--network-add', 'name=more,alias=asked', 'caller');
  await replaced('caller', caller.taskId);
  const both = await endpoint('more', 'caller');
  expect(both.address).toMatch(/^10\.61\.0\./);
  expect(await virtualAddresses('caller')).toHaveLength(2);
  await tsswarm('service', 'update', '--quiet', '--network-rm', 'more', 'caller');
  await replaced('caller', both.taskId);
  expect(await virtualAddresses('caller')).toHaveLength(1);
  await tsswarm('network', 'rm', 'more');
});

test('a full network says so in service ps, and goes on when an address is freed', async () => {
  await tsswarm(...OVERLAY, '--attachable', '--subnet', '10.62.0.0/29', 'small');
  const dnsrr = ['--endpoint-mode', 'dnsrr', '--detach'];
  await service('many', 'small', '--replicas', '6', ...dnsrr);
  await until('five of six', 30, async () => (await runningTasks('many')).length === 5 || undefined);
  const waiting = (await tasksOf('many')).find(({ Error: e }) => e !== '');
  expect(waiting?.Error).toContain('no free address in network "small" (10.62.0.0/29: 5 of 5 used)');
  const run = await onNode(2, 'run', '--rm', '--network', 'small', IMAGE, 'true');
  expect(run.stderr).toContain('no free address in network "small"');
  await tsswarm('service', 'scale', '--detach', 'many=5');
  await until('no one waits', 30, async () => (await tasksOf('many')).every(({ Error: e }) => e === '') || undefined);
  await tsswarm('service', 'rm', 'many');
  await tsswarm('network', 'rm', 'small');
});

test('a container keeps the network, with its name and node, and its address through restarts', async () => {
  await tsswarm(...OVERLAY, '--attachable', '--subnet', '10.63.0.0/29', 'kept');
  const run = ['run', '--detach', '--name', 'box', '--network', 'kept', '--ip', '10.63.0.4', IMAGE];
  const outcome = await onNode(2, ...run);
  expect(outcome).toMatchObject({ code: 0, stderr: '' });
  const box = outcome.stdout.trim();
  const address = async () => {
    const { code, stdout } = await onNode(2, 'inspect', 'box');
    if (code !== 0) return undefined;
    const [{ Id, NetworkSettings }] = JSON.parse(stdout) as [
      { Id: string; NetworkSettings: { Networks: Record<string, { IPAddress: string }> } },
    ];
    return Id === box ? NetworkSettings.Networks.kept?.IPAddress : undefined;
  };
  const isRefused = async () => {
    const { stderr } = await tsswarmOutcome(['network', 'rm', 'kept']);
    return stderr.includes('network kept is in use by container box on node2');
  };
  expect(await isRefused()).toBe(true);
  expect(await peersOf('kept')).toEqual(['203.0.113.2']);
  expect((await onNode(2, 'restart', '--time', '0', 'box')).code).toBe(0);
  expect(await address()).toBe('10.63.0.4');

  const namespace = netnsFile('node2', box.slice(0, 12));
  const interfaces = async () =>
    (await execute('nsenter', [`--net=${namespace}`, '--', 'ip', '-o', '-4', 'address', 'show', 'dev', 'eth0'])).stdout;
  const before = await interfaces();
  expect(before).toContain('10.63.0.4/29');
  await tsswarm('lab', 'kill', 'node2');
  await tsswarm('lab', 'start', 'node2');
  await until('the daemon', 20, async () => ((await address()) === '10.63.0.4' ? true : undefined));
  expect(await interfaces()).toBe(before);
  await until('the managers', 20, async () => ((await peersOf('kept')).length === 1 ? true : undefined));
  expect(await isRefused()).toBe(true);
  expect((await onNode(2, 'rm', '--force', 'box')).code).toBe(0);
  await tsswarm('network', 'rm', 'kept');
});

test('a network of both families: tasks reach each other over either', async () => {
  await tsswarm(...OVERLAY, '--ipv6', 'dual');
  const create = ['service', 'create', '--quiet', '--name', 'six', '--network', 'dual'];
  const spread = ['--replicas', '2', '--replicas-max-per-node', '1', '--stop-grace-period', '0s'];
  await tsswarm(...create, ...spread, IMAGE, 'httpd', '-f', '-p', '[::]:80', '-h', '/www');
  const details = await tsswarmInspect<{ IPAM: { Config: { Subnet: string }[] } }>('network', 'inspect', 'dual');
  expect(details.IPAM.Config.map(({ Subnet }) => Subnet)).toEqual([
    expect.stringMatching(/^10\..*\/24$/),
    expect.stringMatching(/^fd.*::\/64$/),
  ]);
  const [, v6 = ''] = (await virtualAddresses('six')).map((cidr) => cidr.replace(/\/.*/, ''));
  const [from, to] = await endpointsOf('dual', 'six');
  if (!from || !to) throw new Error('a task on each node was expected');
  const { stdout } = await execInTask(to, ['ip', '-6', '-o', 'address', 'show', 'scope', 'global', 'dev', 'eth0']);
  const address = /inet6 (\S+)\//.exec(stdout)?.[1] ?? '';
  const curl = (host: string) => execInTask(from, ['curl', '-s', '-g', '-m', '2', `http://[${host}]/`]);
  expect((await execInTask(from, ['ping', '-6', '-c', '1', '-W', '2', address])).code).toBe(0);
  expect((await curl(address)).stdout).toContain('Hostname:');
  await until('the virtual address', 5, async () => (await curl(v6)).stdout.includes('Hostname:') || undefined);
});
