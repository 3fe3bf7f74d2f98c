import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BINARY, execute, nodeOf, runningTasks, tsswarm } from '../../demo/cli.js';
import { say, until } from '../../demo/steps.js';
import { killDaemon, restartDaemon } from '../../lab/daemons.js';
import { Running } from '../machine/machine.js';
import { processOf } from '../machine/process-of.js';
import { Terminal } from '../machine/terminal.js';
import { hostOf, IMAGE, onNode, useLab } from './lab.js';
import { succeed, untilSettled } from './managers.js';

useLab(3, '--managers', '2', '--dispatcher-heartbeat', '5s');

/** The manager that is asked, and does not lead; its operators reach a worker's task. */
const FOLLOWER = 2;
const WORKER = 3;
const env = { TSSWARM_HOST: hostOf(FOLLOWER) };
const MEGABYTES = 50;
let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tsswarm-access-'));
  await untilSettled([1, FOLLOWER]);
  const place = ['--constraint', 'node.hostname!=node1'];
  await tsswarm('service', 'create', '--quiet', '--name', 'web', '--replicas', '2', ...place, IMAGE);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** SERVICE.SLOT of the task on the worker. */
async function there(): Promise<string> {
  const task = (await runningTasks('web')).find(({ Node }) => Node === `node${WORKER}`);
  if (!task) throw new Error(`no task of web runs on node${WORKER}`);
  return task.Name.replace(/\.[0-9a-z]{25}$/, '');
}

const start = (...args: readonly string[]) =>
  new Running(spawn(BINARY, ['service', ...args], { env: { ...process.env, ...env } }));

async function ended(...argv: readonly string[]): Promise<void> {
  await until(`${argv.join(' ')} has ended`, 20, async () => (await processOf(...argv)) === undefined || undefined);
}

test('exec -it - a terminal in a task of a worker, by a manager that does not lead', async () => {
  const shell = new Terminal({ folder, env }, 'service', 'exec', '-it', '-e', 'A=x', '-w', '/tmp', await there(), 'sh');
  await shell.prints('#');
  expect(await shell.stty('-a')).toMatch(/-isig -icanon .*-echo /s);
  shell.type('stty size; pwd; echo "<$A>"\r');
  await shell.prints('33 101');
  await shell.prints('/tmp');
  await shell.prints('<x>');
  await shell.stty('rows', '40', 'cols', '120');
  shell.type('until [ "$(stty size)" = "40 120" ]; do :; done; echo re"sized"\r');
  await shell.prints('resized');
  shell.type('sleep 4243; echo rc=$?\r');
  // The line is seen before the shell has taken it; until then the key would be one more character of input.
  await until('it sleeps', 20, () => processOf('sleep', '4243'));
  shell.type('\x03');
  shell.type('echo al"ive"\r');
  await shell.prints('alive');
  shell.type('exit 5\r');
  expect(await shell.exit()).toBe(5);
});

test('exec -it - detach keys let go of the process, which goes on', async () => {
  const shell = new Terminal({ folder, env }, 'service', 'exec', '-it', await there(), 'sleep', '4242');
  const pid = await until('it runs', 20, () => processOf('sleep', '4242'));
  await until('keys are input', 20, async () => (await shell.stty('-a')).includes('-icanon') || undefined);
  shell.type('\x10\x11');
  expect(await shell.exit()).toBe(0);
  expect(await processOf('sleep', '4242')).toBe(pid);
  process.kill(pid, 'SIGKILL');
  await ended('sleep', '4242');
});

test('exec - which task it is, exit codes, and what cannot be done, in words', async () => {
  const task = await there();
  const exec = (...args: readonly string[]) => onNode(FOLLOWER, 'service', 'exec', ...args);
  expect(await exec(task, 'sh', '-c', 'echo out; echo err >&2; exit 4')).toEqual({
    code: 4,
    stdout: 'out\n',
    stderr: 'err\n',
  });
  expect(await exec(task, 'nope')).toMatchObject({ code: 127, stdout: '' });
  expect(await exec(task, '/etc')).toMatchObject({ code: 126, stdout: '' });
  const nobody = await exec('-u', 'nobody-at-all', task, 'true');
  expect(nobody).toMatchObject({ code: 126, stdout: '' });
  expect(nobody.stderr).toContain('unable to find user nobody-at-all');
  // A service alone means a task of this node; the other one is named.
  const any = await exec('web', 'hostname');
  expect(any.stderr).toMatch(/^web\.\d on node2 \(one of 2: web\.\d or --node NODE chooses another\)\n$/);
  const chosen = await exec('--node', `node${WORKER}`, 'web', 'hostname');
  expect(chosen.stderr).toBe('');
  expect(chosen.stdout).not.toBe(any.stdout);
  expect(await exec('web.7', 'true')).toMatchObject({ code: 125, stderr: 'Error: no such task: web.7 has none\n' });
  expect((await exec('nothing', 'true')).stderr).toBe('Error: no such task or service: nothing\n');
  await tsswarm('service', 'create', '--detach', '--name', 'waits', '--constraint', 'node.hostname==node9', IMAGE);
  const waits = await until('a reason', 10, async () => {
    const outcome = await exec('waits', 'true');
    return outcome.stderr.includes('no suitable node') ? outcome : undefined;
  });
  expect(waits.stderr).toMatch(/^Error: waits is not running: waits\.1 is pending \(no suitable node/);
  expect(waits.code).toBe(125);
  const worker = await onNode(WORKER, 'service', 'exec', 'web.1', 'true');
  expect(worker).toMatchObject({ code: 125, stdout: '' });
  expect(worker.stderr).toContain('not a swarm manager');
});

test(`exec - ${MEGABYTES} MB through pipes, both ways`, async () => {
  const task = await there();
  const bytes = MEGABYTES << 20;
  await execute('dd', ['if=/dev/urandom', `of=${folder}/big`, 'bs=1M', `count=${MEGABYTES}`]);
  const [digest = ''] = (await execute('md5sum', [`${folder}/big`])).stdout.split(' ');
  const timed = async (what: string, line: string) => {
    const begun = performance.now();
    const { stdout, stderr } = await execute('sh', ['-ec', line], env);
    say(`${what}: ${(bytes / 1e3 / (performance.now() - begun)).toFixed(0)} MB/s`);
    expect(stderr).toBe('');
    return stdout;
  };
  const exec = `${BINARY} service exec`;
  expect(await timed('in', `cat ${folder}/big | ${exec} -i ${task} sh -c 'cat > /big; md5sum /big'`)).toContain(digest);
  expect(await timed('out', `${exec} ${task} cat /big | md5sum`)).toContain(digest);
});

test('exec - a caller that is killed ends what waits for its input, also when that takes none', async () => {
  const task = await there();
  const cat = start('exec', '-i', task, 'cat', '-', '/dev/null');
  cat.type('hello');
  await cat.prints('hello');
  expect(await processOf('cat', '-', '/dev/null')).toBeDefined();
  cat.child.kill('SIGKILL');
  await ended('cat', '-', '/dev/null');

  // It is not read, so that everything between is full.
  const deaf = [
    'sh',
    '-c',
    'read line; echo begun; until [ -e /tmp/hear ]; do sleep 0.1; done; cat > /dev/null; : deaf',
  ];
  const full = start('exec', '-i', task, ...deaf);
  full.child.stdin?.on('error', ({ message }) => expect(message).toBe('write EPIPE'));
  full.child.stdin?.write(`${'x'.repeat(100)}\n${'y'.repeat(8 << 20)}`);
  await full.prints('begun');
  expect(await processOf(...deaf)).toBeDefined();
  full.child.kill('SIGKILL');
  await succeed(FOLLOWER, 'service', 'exec', task, 'touch', '/tmp/hear');
  await ended(...deaf);
});

test('cp - a file in, a folder out, and archives through pipes', async () => {
  const task = await there();
  await writeFile(`${folder}/note`, 'from here\n');
  await succeed(FOLLOWER, 'service', 'cp', `${folder}/note`, `${task}:/tmp/there`);
  expect((await onNode(FOLLOWER, 'service', 'exec', task, 'cat', '/tmp/there')).stdout).toBe('from here\n');
  await succeed(FOLLOWER, 'service', 'cp', `${task}:/tmp`, `${folder}/out`);
  expect(await readFile(`${folder}/out/there`, 'utf8')).toBe('from here\n');
  const { stdout } = await execute('sh', ['-c', `${BINARY} service cp ${task}:/tmp/there - | tar -xO`], env);
  expect(stdout).toBe('from here\n');
  const pack = `tar -C ${folder} -c note | ${BINARY} service cp - ${task}:/tmp`;
  expect((await execute('sh', ['-c', pack], env)).stderr).toBe('');
  expect((await onNode(FOLLOWER, 'service', 'exec', task, 'cat', '/tmp/note')).stdout).toBe('from here\n');
  const missing = await onNode(FOLLOWER, 'service', 'cp', `${task}:/nowhere`, folder);
  expect(missing).toMatchObject({ code: 1, stdout: '' });
  expect(missing.stderr).toContain('/nowhere');
});

test('attach - output of the service’s own process; task ls, inspect and logs find it by its slot', async () => {
  const constraint = ['--constraint', `node.hostname==node${WORKER}`];
  const ticking = ['sh', '-c', 'while :; do echo tick; sleep 0.2; done'];
  await tsswarm('service', 'create', '--quiet', '--name', 'ticks', ...constraint, IMAGE, ...ticking);
  const attached = start('attach', '--no-stdin', '--sig-proxy=false', 'ticks');
  await attached.prints('tick');
  attached.child.kill('SIGKILL');
  const [id] = (await runningTasks('ticks')).map(({ ID }) => ID);
  expect(await succeed(FOLLOWER, 'task', 'inspect', 'ticks.1', '--format', '{{.ID}}')).toBe(id);
  expect(await succeed(FOLLOWER, 'task', 'ls', '-q', '--no-trunc', '--filter', 'service=ticks')).toBe(id);
  expect(await succeed(FOLLOWER, 'task', 'logs', '--tail', '1', '--raw', 'ticks.1')).toBe('tick');
  await tsswarm('service', 'rm', 'ticks');
});

test('a leader that dies is not missed by what is open; a node that does is named', async () => {
  const echo = start('exec', '-i', await there(), 'cat');
  echo.type('before\n');
  await echo.prints('before');
  await killDaemon(nodeOf(1), false);
  echo.type('after\n');
  await echo.prints('after');
  await restartDaemon(nodeOf(1));
  await untilSettled([1, FOLLOWER]);
  echo.type('later\n');
  await echo.prints('later');

  await killDaemon(nodeOf(WORKER), false);
  expect(await echo.exit()).toBe(125);
  expect(echo.err).toContain(`node node${WORKER} was cut off in the middle of exec`);
  await restartDaemon(nodeOf(WORKER));
  await until('the node takes tunnels again', 20, async () => {
    const { code } = await onNode(FOLLOWER, 'service', 'exec', '--node', `node${WORKER}`, 'web', 'true');
    return code === 0 || undefined;
  });
});
