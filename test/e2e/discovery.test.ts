import { beforeAll, expect, test } from 'vitest';
import { type Endpoint, endpointsOf, execInTask, tsswarm, tsswarmInspect } from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import { IMAGE, useLab } from './lab.js';

useLab(3);

/** Seconds in which names follow what has happened. */
const FOLLOWS = 1;
const CALLER = 'while sleep 0.1; do wget -q -O - http://web/; done';
let caller: Endpoint;

beforeAll(async () => {
  await tsswarm('network', 'create', '--driver', 'overlay', '--subnet', '10.50.0.0/24', 'front');
  await service('web', 'name=front,alias=www', '--replicas', '3');
  await service('db', 'name=front,alias=data', '--replicas', '2', '--endpoint-mode', 'dnsrr');
  const place = ['--constraint', 'node.hostname==node3'];
  const create = ['service', 'create', '--quiet', '--name', 'caller', '--network', 'front', ...place];
  await tsswarm(...create, IMAGE, 'sh', '-c', CALLER);
  const [found] = await endpointsOf('front', 'caller');
  if (!found) throw new Error('a task was expected');
  caller = found;
});

async function service(name: string, network: string, ...options: readonly string[]): Promise<void> {
  await tsswarm('service', 'create', '--quiet', '--name', name, '--network', network, ...options, IMAGE);
}

/** Answers that the caller gets, sorted, as dig prints them. */
async function ask(...question: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await execInTask(caller, ['dig', '@127.0.0.11', '+short', '+tries=1', ...question]);
  return stdout.split('\n').filter(Boolean).sort();
}

async function virtualAddress(name: string): Promise<string> {
  const { Endpoint: endpoint } = await tsswarmInspect<{ Endpoint: { VirtualIPs: { Addr: string }[] } }>(
    'service',
    'inspect',
    name,
  );
  return endpoint.VirtualIPs[0]?.Addr.replace(/\/.*/, '') ?? '';
}
const addressesOf = async (name: string) => (await endpointsOf('front', name)).map(({ address }) => address).sort();

test('a service’s name and alias lead to its virtual address, from any node’s task to all of its own', async () => {
  const address = await virtualAddress('web');
  for (const name of ['web', 'www', 'WEB.front']) expect(await ask(name)).toEqual([address]);
  expect(await ask('web', 'AAAA')).toEqual([]);
  // The caller’s program goes by its resolv.conf.
  await until('answers of all three', 20, async () => {
    const log = await tsswarm('service', 'logs', '--raw', 'caller');
    return new Set(log.match(/^Hostname: .*$/gm)).size === 3 || undefined;
  });
});

test('tasks.<service> is what runs, within a second after it has been scaled', async () => {
  for (const replicas of [3, 6, 2]) {
    await tsswarm('service', 'scale', `web=${replicas}`);
    const addresses = await addressesOf('web');
    expect(addresses).toHaveLength(replicas);
    await until(`${replicas} addresses`, FOLLOWS, async () => {
      const answers = await ask('tasks.web');
      return JSON.stringify(answers) === JSON.stringify(addresses) || undefined;
    });
  }
});

test('a name goes when its task does', async () => {
  const [task] = await endpointsOf('front', 'web');
  if (!task) throw new Error('a task was expected');
  const name = `${task.name}.${task.taskId}`;
  expect(await ask(name)).toEqual([task.address]);
  expect(await ask('-x', task.address)).toEqual([`${name}.front.`]);
  await tsswarm('service', 'rm', 'web');
  await until('the names to be gone', FOLLOWS, async () => {
    const answers = await Promise.all([ask(name), ask('web'), ask('tasks.web'), ask('-x', task.address)]);
    return answers.flat().filter((answer) => !answer.startsWith(';')).length === 0 || undefined;
  });
});

test('in mode dnsrr a service and its aliases are its tasks', async () => {
  const addresses = await addressesOf('db');
  expect(addresses).toHaveLength(2);
  for (const name of ['db', 'data', 'tasks.db']) expect(await ask(name)).toEqual(addresses);
});
