import { readFile, writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { IMAGE, useMachine } from './machine.js';

const machine = useMachine({ processes: true });
const run = (...args: string[]) => machine.outcome('run', '--rm', ...args);

test('run - output of each stream, and the exit code', async () => {
  expect(await run(IMAGE, 'sh', '-c', 'echo out; echo err >&2; exit 7')).toEqual({
    code: 7,
    stdout: 'out\n',
    stderr: 'err\n',
  });
});

test('run - only the streams that are attached', async () => {
  const { stdout, stderr } = await run('-a', 'stderr', IMAGE, 'sh', '-c', 'echo out; echo err >&2');
  expect([stdout, stderr]).toEqual(['', 'err\n']);
});

test('run - input to its end', async () => {
  const cat = machine.start('run', '-i', '--rm', IMAGE, 'wc', '-c');
  const input = 'x'.repeat(3_000_000);
  cat.type(input);
  cat.child.stdin?.end();
  expect(await cat.exit()).toBe(0);
  expect(cat.out.trim()).toBe(String(input.length));
});

test('run - output is complete, however soon it ends', async () => {
  const { stdout } = await run(IMAGE, 'seq', '1', '20000');
  expect(stdout.split('\n').length).toBe(20_001);
});

test('run - what its flags say is so in the container', async () => {
  const { stdout } = await run(
    ...['-h', 'box', '-e', 'A=1', '-u', '1000:1001', '-w', '/tmp', '--memory', '64m', '--tmpfs', '/t:size=1m'],
    ...[IMAGE, 'sh', '-c', 'hostname; echo $A; id -u; id -g; pwd; df -k /t | tail -1'],
  );
  expect(stdout).toMatch(/^box\n1\n1000\n1001\n\/tmp\ntmpfs +1024 /);
});

test('run --tmpfs, --device, --memory-swap, --init - as docker has them', async () => {
  const script = [
    'cp /bin/busybox /x/echo; cp /bin/busybox /t/echo; /x/echo runs; /t/echo no 2>/dev/null || echo safe',
    'stat -c %u:%a /x; stat -c %F /dev/nothing; cat /proc/1/comm',
  ].join('; ');
  const flags = ['--tmpfs', '/x:exec,uid=1000,mode=711', '--tmpfs', '/t:rw,noexec,nosuid', '--init'];
  const { stdout } = await run('--device', '/dev/null:/dev/nothing', ...flags, IMAGE, 'sh', '-c', script);
  expect(stdout.split('\n').slice(-6)).toEqual([
    'runs',
    'safe',
    '1000:711',
    'character special file',
    'docker-init',
    '',
  ]);
  await machine.run('create', '--name', 'small', '-m', '64m', '--memory-swap', '96m', IMAGE, 'true');
  expect(await machine.run('inspect', '-f', '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}', 'small')).toBe(
    `${64 << 20} ${96 << 20}\n`,
  );
});

test.each([
  [[IMAGE, 'nope'], 127, 'nope'],
  [[IMAGE, '/bin'], 126, ''],
  [['--network', 'nowhere', IMAGE, 'true'], 125, 'network nowhere not found'],
  [['--name', 'a b', IMAGE, 'true'], 125, 'Invalid container name (a b)'],
  [['--pull', 'never', 'nothing:1', 'true'], 125, 'No such image: nothing:1'],
  [['--nope', IMAGE], 125, "unknown option '--nope'"],
  [['-it', IMAGE], 1, 'the input device is not a TTY'],
])('run %j - exit code %i', async (args, code, words) => {
  const outcome = await run(...args);
  expect(outcome).toMatchObject({ code, stdout: '' });
  expect(outcome.stderr).toContain(words);
  expect(outcome.stderr).not.toContain('    at ');
});

test('run -d - prints the id, and the name is taken', async () => {
  const id = (await machine.run('run', '-d', '--name', 'taken', IMAGE, 'sleep', '100')).trim();
  expect(id).toMatch(/^[0-9a-f]{64}$/);
  expect((await machine.inspect('taken')).Id).toBe(id);
  const again = await machine.outcome('run', '-d', '--name', 'taken', IMAGE, 'true');
  expect(again.code).toBe(125);
  expect(again.stderr).toContain(`The container name "/taken" is already in use by container "${id}"`);
});

test('run --rm - leaves nothing', async () => {
  await run('--name', 'gone', IMAGE, 'true');
  await expect.poll(async () => machine.run('ps', '-aq', '--filter', 'name=gone')).toBe('');
});

test('run - signals reach the process', async () => {
  const script = 'trap "exit 9" TERM; echo ready; while :; do sleep 0.1; done';
  const process = machine.start('run', '--rm', IMAGE, 'sh', '-c', script);
  await process.prints('ready');
  process.child.kill('SIGTERM');
  expect(await process.exit()).toBe(9);
});

test('run --cidfile - has the id, and is never overwritten', async () => {
  const file = `${machine.folder}/cid`;
  const id = (await machine.run('run', '-d', '--rm', '--cidfile', file, IMAGE, 'true')).trim();
  expect(await readFile(file, 'utf8')).toBe(id);
  const { code, stderr } = await run('--cidfile', file, IMAGE, 'true');
  expect(code).toBe(125);
  expect(stderr).toContain(`container ID file found, make sure the other container isn't running or delete ${file}`);
});

test('run --env-file, --label-file', async () => {
  const [env, labels] = [`${machine.folder}/env`, `${machine.folder}/labels`];
  await writeFile(env, '# these\nA=1\nB=2\n');
  await writeFile(labels, 'tier=front\n');
  await machine.run(
    'create',
    '--name',
    'labelled',
    '--env-file',
    env,
    '-e',
    'B=3',
    '--label-file',
    labels,
    IMAGE,
    'env',
  );
  expect(await machine.run('start', '-a', 'labelled')).toMatch(/A=1\n(?:.*\n)*B=3\n/);
  expect(await machine.run('ps', '-a', '--filter', 'label=tier=front', '--format', '{{.Names}}')).toBe('labelled\n');
});
