import { afterEach, beforeEach, expect, test } from 'vitest';
import { ContainerInfo, ContainerPhase, LogBatch, LogLine } from '../../proto/gen/index.js';
import { TestSwarm } from './swarm.js';

let swarm: TestSwarm;
beforeEach(async () => {
  swarm = new TestSwarm();
  await swarm.start();
  await swarm.cli('service', 'create', '--quiet', '--name', 'web', '--replicas', '2', 'web');
  await swarm.cli('service', 'create', '--quiet', '--name', 'each', '--mode', 'global', 'web');
});
afterEach(() => swarm.stop());

const lines = async (...argv: string[]) => (await swarm.cli(...argv)).out.trim().split('\n');

test('task ls - all tasks, or those that are asked for', async () => {
  const names = ['task', 'ls', '--format', '{{.Name}} {{.Node}}'];
  expect((await lines(...names)).map((line) => line.replace(/\..*/, ''))).toEqual(['each', 'each', 'web', 'web']);
  expect((await lines(...names, '--filter', 'service=web', '--filter', 'node=node1'))[0]).toMatch(/^web\.\d node1$/);
});

test('task inspect and logs - by slot, by node of a global service, by id', async () => {
  const inspect = async (ref: string) =>
    (await swarm.cli('task', 'inspect', '--format', '{{.ID}} {{.NodeID}}', ref)).out;
  const [id = ''] = (await inspect('web.2')).split(' ');
  expect(await inspect(id)).toBe(await inspect('web.2'));
  expect(await inspect('each.node2')).toMatch(/ node2id\n$/);
  expect(await swarm.cli('task', 'inspect', 'web.7')).toMatchObject({ code: 1, err: expect.stringContaining('web.7') });
  swarm.logs = ({ task }) => [LogBatch.create({ taskId: task, lines: [LogLine.create({ data: Buffer.from(task) })] })];
  expect((await swarm.cli('task', 'logs', '--raw', 'web.2')).out).toBe(id);
});

test('inspect - of a task and its container, which have one id, the one whose fields are asked for', async () => {
  const [id = ''] = await lines('task', 'inspect', '-f', '{{.ID}}', 'web.1');
  swarm.containers = [ContainerInfo.create({ id, taskId: id, phase: ContainerPhase.RUNNING })];
  const inspect = (format: string) => swarm.cli('inspect', '-f', format, id);
  expect((await inspect('{{.State.Status}}')).out).toBe('running\n');
  expect((await inspect('{{.NodeID}} {{.Slot}} {{.Status.State}}')).out).toMatch(/^node[12]id 1 running\n$/);
  expect((await inspect('{{.Nope}}')).err).toContain('there is no field "Nope"');
  expect(JSON.parse((await swarm.cli('inspect', id)).out)).toMatchObject([{ Id: id }]);
  expect((await swarm.cli('inspect', '--type', 'task', '-f', '{{.ID}}', id)).out).toBe(`${id}\n`);
});

test('service exec - what is meant by a name, and why it will not do', async () => {
  swarm.fate = () => 'exit 1';
  await swarm.cli('service', 'create', '--detach', '--restart-condition', 'none', '--name', 'fails', 'web');
  const words = async () => (await swarm.cli('service', 'exec', 'fails', 'true')).err;
  await expect.poll(words).toContain('fails is not running: fails.1 is failed (exit 1)');
  for (const ref of ['nothing', 'nothing.1', 'web.1.nothing'])
    expect(await swarm.cli('service', 'exec', ref, 'true')).toEqual({
      code: 125,
      out: '',
      err: `Error: no such task or service: ${ref}\n`,
    });
  expect((await swarm.cli('service', 'exec', '--node', 'node9', 'web', 'true')).err).toContain('node9');
  expect((await swarm.cli('service', 'exec', '-it', 'web', 'true')).err).toContain('not a TTY');
  expect((await swarm.cli('service', 'exec', '--detach-keys', 'ctrl-1', 'web.1', 'true')).code).toBe(125);
  expect((await swarm.cli('service', 'exec', 'web')).code).toBe(125);
});
