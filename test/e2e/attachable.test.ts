import { expect, test } from 'vitest';
import { tsswarm } from '../../demo/cli.js';
import { IMAGE, onNode, useLab } from './lab.js';

useLab(2);

async function ok(node: number, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await onNode(node, ...args);
  if (code !== 0) throw new Error(`tsswarm ${args.join(' ')} on node ${node}: ${stderr}`);
  return stdout.trim();
}
const run = (node: number, name: string, network: string, ...flags: string[]) =>
  ok(node, 'run', '--detach', '--name', name, '--network', network, ...flags, '--entrypoint', 'sleep', IMAGE, '1000');
const pings = async (node: number, from: string, to: string): Promise<boolean> =>
  (await code(node, 'exec', from, 'busybox', 'ping', '-c1', '-W2', to)) === 0;
const within = <T>(read: () => Promise<T>) => expect.poll(read, { timeout: 30_000 });
const code = async (node: number, ...args: string[]): Promise<number> => (await onNode(node, ...args)).code;

test('containers - of two nodes reach each other and services in an attachable network, by name', async () => {
  await tsswarm('network', 'create', '--driver', 'overlay', '--attachable', '--subnet', '10.40.0.0/24', 'shared');
  await tsswarm('service', 'create', '--quiet', '--name', 'web', '--replicas', '2', '--network', 'shared', IMAGE);
  await run(1, 'one', 'shared');
  await run(2, 'two', 'shared', '--ip', '10.40.0.99', '--network-alias', 'second');
  const addresses = await ok(2, 'exec', 'two', 'busybox', 'ip', '-4', 'address');
  expect(addresses).toContain('10.40.0.99/24');
  // The last interface leads out, over the gateway bridge.
  expect(addresses).toMatch(/172\.1[89]\.\d+\.\d+\/16 .*eth1/);
  for (const name of ['two', 'second', '10.40.0.99']) {
    await within(() => pings(1, 'one', name)).toBe(true);
  }
  await within(() => pings(2, 'two', 'one')).toBe(true);
  await within(() => pings(2, 'two', 'web')).toBe(true);
  const users = await ok(2, 'network', 'inspect', '--format', '{{json .Containers}}', 'shared');
  expect(users).toContain('"Name":"two"');
});

test('containers - keep their endpoints when the daemon is killed, and when managers are away', async () => {
  await run(2, 'stays', 'shared');
  await tsswarm('lab', 'kill', 'node2');
  await tsswarm('lab', 'stop', 'node1');
  await tsswarm('lab', 'start', 'node2');
  await within(() => code(2, 'exec', 'stays', 'true')).toBe(0);
  expect(await pings(2, 'stays', '10.40.0.99')).toBe(true);
  const late = await onNode(2, 'run', '--detach', '--name', 'late', '--network', 'shared', IMAGE);
  expect(late.code).not.toBe(0);
  expect(late.stderr).toContain('no manager of the swarm answers this node');
  await tsswarm('lab', 'start', 'node1');
  await within(() => code(2, 'start', 'late')).toBe(0);
});

test('containers - of tasks are listed, and can be stopped and looked into, but not started or removed by hand', async () => {
  const names = async () => (await ok(1, 'ps', '--filter', 'name=web.', '--format', '{{.Names}}')).split('\n');
  const [name = ''] = await names();
  expect(name).toMatch(/^web\.\d\./);
  expect(await ok(1, 'exec', name, 'busybox', 'hostname')).not.toBe('');
  expect((await onNode(1, 'rm', '--force', name)).stderr).toContain('is of a task of the swarm');
  expect((await onNode(1, 'network', 'connect', 'bridge', name)).stderr).toContain("its networks are its service's");
  await ok(1, 'stop', name);
  expect((await onNode(1, 'start', name)).stderr).toContain('tsswarm service update');
  // The swarm sees to another one.
  await within(names).toContainEqual(expect.not.stringMatching(`^(?:${name})?$`));
});

test('containers - leave nothing in the swarm when they are removed', async () => {
  const removal = await onNode(1, 'network', 'rm', 'shared');
  expect(removal.code).not.toBe(0);
  await ok(1, 'rm', '--force', 'one');
  await ok(2, 'rm', '--force', 'two', 'stays', 'late');
  await ok(1, 'service', 'rm', 'web');
  await within(() => code(1, 'network', 'rm', 'shared')).toBe(0);
});

test('containers - are refused a network that is not attachable, and none of the swarm when there is none', async () => {
  await tsswarm('network', 'create', '--driver', 'overlay', 'closed');
  const refused = await onNode(2, 'run', '--rm', '--network', 'closed', IMAGE);
  expect(refused.stderr).toContain('closed is not attachable');
  await tsswarm('network', 'create', '--driver', 'overlay', '--attachable', 'open');
  await run(2, 'survivor', 'open');
  await ok(2, 'leave');
  expect(await ok(2, 'ps', '--format', '{{.Names}}')).toBe('survivor');
  expect(await ok(2, 'exec', 'survivor', 'busybox', 'ip', '-4', 'address')).not.toContain('10.');
  const nowhere = await onNode(2, 'run', '--rm', '--network', 'open', IMAGE);
  expect(nowhere.stderr).toContain('network open not found');
  await ok(2, 'rm', '--force', 'survivor');
});
