import { describe, expect, test } from 'vitest';
import { execAt, runningTasks } from '../../demo/cli.js';
import { parseAnswer } from '../../demo/image.js';
import { until } from '../../demo/steps.js';
import { requests, tally } from '../../demo/traffic.js';
import { addressOf, CLIENT, IMAGE, useLab } from './lab.js';
import { useServices } from './services.js';
import { ECHO_COMMAND, ECHO_FLAGS, echoes } from './udp-echo.js';

useLab(3);
const { create, remove } = useServices();

const NODES = [1, 2, 3];

describe('routing mesh', () => {
  test('every node answers for all replicas, evenly, and shows them the client’s own address', async () => {
    await create('web', '--replicas', '5', '--publish', '8080:80', IMAGE);
    const answers = await Promise.all(NODES.map((node) => requests(`http://${addressOf(node)}:8080/`, 100)));
    for (const ofNode of answers) {
      const counts = [...tally(ofNode.map(({ hostname }) => hostname)).values()];
      expect(counts).toHaveLength(5);
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    }
    expect(new Set(answers.flat().map(({ client }) => client))).toEqual(new Set([CLIENT]));
  });

  test('a single replica is reached through every node', async () => {
    await create('one', '--publish', 'published=8081,target=80', IMAGE);
    for (const node of NODES) {
      const answers = await requests(`http://${addressOf(node)}:8081/`, 5);
      expect(new Set(answers.map(({ client }) => client))).toEqual(new Set([CLIENT]));
    }
  });

  test('UDP - answered by all replicas, with the client’s own address', async () => {
    await create('echo', '--replicas', '3', ...ECHO_FLAGS, IMAGE, ...ECHO_COMMAND);
    for (const node of NODES) {
      const answers = await echoes(addressOf(node), 9);
      expect([...tally(answers.map(({ hostname }) => hostname)).values()]).toEqual([3, 3, 3]);
      expect(new Set(answers.map(({ client }) => client))).toEqual(new Set([CLIENT]));
    }
  });

  test('a node reaches the port on its own addresses too', async () => {
    await create('local', '--replicas', '2', '--publish', '8082:80', IMAGE);
    for (const address of [addressOf(1), '127.0.0.1', addressOf(2)]) {
      const { code, stdout } = await execAt('node1', [
        'curl',
        '--silent',
        '--max-time',
        '3',
        `http://${address}:8082/`,
      ]);
      expect([address, code]).toEqual([address, 0]);
      parseAnswer(stdout);
    }
  });

  test('a port is closed again when its service is gone', async () => {
    await create('gone', '--publish', '8083:80', IMAGE);
    await requests(`http://${addressOf(2)}:8083/`, 1);
    await remove();
    await until('port 8083 refuses', 10, async () => {
      const { code } = await execAt('client', ['curl', '--silent', '--max-time', '1', `http://${addressOf(2)}:8083/`]);
      return code === 7 ? true : undefined;
    });
  });
});

test('host mode - only the nodes that run a task answer, with the client’s own address', async () => {
  await create(
    'direct',
    '--constraint',
    'node.hostname==node2',
    '--publish',
    'published=8090,target=80,mode=host',
    IMAGE,
  );
  const answers = await requests(`http://${addressOf(2)}:8090/`, 3);
  expect(new Set(answers.map(({ client }) => client))).toEqual(new Set([CLIENT]));
  await expect(requests(`http://${addressOf(1)}:8090/`, 1)).rejects.toThrow('exit code 7');
});

test('global - one task on each node', async () => {
  await create('everywhere', '--mode', 'global', '--publish', '8091:80', IMAGE);
  const tasks = await runningTasks('everywhere');
  expect(tasks.map(({ Node }) => Node).sort()).toEqual(['node1', 'node2', 'node3']);
});
