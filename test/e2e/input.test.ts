import { beforeAll, expect, test } from 'vitest';
import { nodeOf, processOutcome, tasksOf, tsswarm } from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import { hostOf, IMAGE, onNode, useLab } from './lab.js';

useLab(2);

/** As people run it: exit codes and errors are a process's. */
const command = (args: readonly string[]) => processOutcome(args, { TSSWARM_HOST: nodeOf(1).host });

beforeAll(async () => {
  await tsswarm('service', 'create', '--quiet', '--name', 'web', '--publish', '8080:80', IMAGE);
  await tsswarm('network', 'create', '--driver', 'overlay', '--subnet', '10.77.0.0/24', 'taken');
});

async function refused(args: readonly string[], words: RegExp, exit: number): Promise<void> {
  const { code, stderr } = await command(args);
  expect(stderr).toMatch(words);
  expect(stderr).toMatch(/^Error: /);
  expect(stderr).not.toMatch(/TSSWARM_DEBUG|INTERNAL|at .*\.js/);
  expect(code).toBe(exit);
}

const create = (...flags: readonly string[]) => ['service', 'create', '--name', 'bad', '--detach', ...flags, IMAGE];

test.each([
  ['a port of another service', create('--publish', '8080:80'), /8080.*web/s],
  ['a network that is not there', create('--network', 'nowhere'), /nowhere/],
  ['a name that is taken', ['service', 'create', '--detach', '--name', 'web', IMAGE], /web/],
  [
    'a subnet that overlaps',
    ['network', 'create', '-d', 'overlay', '--subnet', '10.77.0.128/25', 'n'],
    /10\.77\.0\.128\/25.*taken|taken.*10\.77\.0/s,
  ],
  ['a service that is not there', ['service', 'rm', 'nothing'], /nothing/],
  ['a node that is not there', ['node', 'inspect', 'node9'], /node9/],
  ['an image archive that is not there', ['image', 'import', '/nowhere.tar', 'x'], /nowhere\.tar/],
  ['a lab beside a lab', ['lab', 'up', '--nodes', '2'], /there is a lab "[^"]+" already, with node1, node2/],
  ['more managers than nodes', ['lab', 'up', '--nodes', '3', '--managers', '4'], /4 managers/],
  ['a node that the lab has not', ['lab', 'stop', 'node7'], /node7.*node1, node2/s],
])('%s is refused in words, with exit code 1', (_what, args, words) => refused(args, words, 1));

test.each([
  ['a port that does not parse', create('--publish', '8080:eighty'), /eighty/],
  ['a port out of range', create('--publish', '70000:80'), /70000/],
  ['a protocol that does not exist', create('--publish', '80:80/quic'), /quic/],
  ['a constraint that does not parse', create('--constraint', 'node.role=worker'), /node\.role=worker/],
  ['a size that does not parse', create('--limit-memory', '12parsecs'), /12parsecs/],
  ['a number of CPUs that does not parse', create('--limit-cpu', 'many'), /many/],
  ['a number of replicas that is none', create('--replicas', 'some'), /some/],
  [
    'a subnet that does not parse',
    ['network', 'create', '-d', 'overlay', '--subnet', '10.0.0/33', 'n'],
    /10\.0\.0\/33/,
  ],
])('%s is refused in words, with exit code 125', (_what, args, words) => refused(args, words, 125));

test('an unknown flag is a usage error, with exit code 125', async () => {
  const { code, stderr } = await command(['service', 'ls', '--colour']);
  expect(stderr).toContain('--colour');
  expect(code).toBe(125);
});

test('a worker sends operators to a manager', async () => {
  const { code, stderr } = await onNode(2, 'service', 'ls');
  expect(stderr).toContain("Worker nodes can't be used to view or modify cluster state");
  expect(code).toBe(1);
});

test('init and join on a member are refused', async () => {
  expect((await onNode(1, 'init')).stderr).toContain('already part of a swarm');
  const token = `SWMTKN-1-${'0'.repeat(50)}-${'0'.repeat(25)}`;
  expect((await onNode(2, 'join', '--token', token, '203.0.113.1')).stderr).toContain('already part of a swarm');
});

test('no daemon - the address is named', async () => {
  const { code, stderr } = await command(['-H', 'unix:///nowhere.sock', 'node', 'ls']);
  expect(stderr).toContain('unix:///nowhere.sock');
  expect(code).toBe(1);
});

test('service ps says why a task waits', async () => {
  await tsswarm('service', 'create', '--detach', '--name', 'waits', '--constraint', 'node.hostname==node9', IMAGE);
  const [task] = await until('a reason', 10, async () => {
    const tasks = await tasksOf('waits');
    return tasks[0]?.Error ? tasks : undefined;
  });
  expect(task?.CurrentState).toMatch(/^Pending/);
  expect(task?.Error).toContain('no suitable node');
  await tsswarm('service', 'rm', 'waits');
});

test('service ps says why a task failed', async () => {
  await tsswarm('service', 'create', '--detach', '--name', 'fails', '--restart-condition', 'none', 'no/such/image:1');
  // Until then it says what the task waits for.
  await until('the image is missed', 30, async () => {
    const [task] = await tasksOf('fails');
    return task?.Error.includes('no/such/image:1') || undefined;
  });
  await tsswarm(
    'service',
    'create',
    '--detach',
    '--name',
    'exits',
    '--restart-condition',
    'none',
    IMAGE,
    'sh',
    '-c',
    'exit 7',
  );
  await until('the exit code is told', 20, async () => {
    const [task] = await tasksOf('exits');
    return task?.Error.includes('7') || undefined;
  });
  await tsswarm('service', 'rm', 'fails', 'exits');
});

test('lab exec - passes the exit code, the namespace and the daemon’s address', async () => {
  expect((await command(['lab', 'exec', 'node2', '--', 'sh', '-c', 'exit 42'])).code).toBe(42);
  const { stdout } = await command([
    'lab',
    'exec',
    'node2',
    '--',
    'sh',
    '-c',
    'echo $TSSWARM_HOST; ip -br -4 addr show eth0',
  ]);
  expect(stdout).toContain(hostOf(2));
  expect(stdout).toContain('203.0.113.2/24');
});
