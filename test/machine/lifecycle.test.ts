import { expect, test } from 'vitest';
import { ADDRESS, IMAGE, useMachine } from './machine.js';

const machine = useMachine();
const SERVER = 'mkdir -p /www; echo hello > /www/index.html; exec httpd -f -p 80 -h /www';

test('create, start -ai, wait, logs, restart, rm', async () => {
  const script = 'read x; echo got $x; echo err >&2; exit 3';
  const id = await machine.run('create', '-i', '--name', 'once', IMAGE, 'sh', '-c', script);
  expect(id).toMatch(/^[0-9a-f]{64}\n$/);
  expect(await machine.run('ps', '-a', '--format', '{{.Names}} {{.Status}}')).toBe('once Created\n');
  const start = machine.start('start', '-ai', 'once');
  start.type('it\n');
  expect(await start.exit()).toBe(3);
  expect([start.out, start.err]).toEqual(['got it\n', 'err\n']);
  expect(await machine.run('wait', 'once')).toBe('3\n');
  expect(await machine.outcome('logs', 'once')).toMatchObject({ stdout: 'got it\n', stderr: 'err\n' });
  expect((await machine.outcome('logs', '-t', 'once')).stdout).toMatch(
    /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z got it\n$/,
  );
  expect(await machine.run('ps', '-a', '--format', '{{.State}} {{.Status}}')).toMatch(/^exited Exited \(3\) .* ago\n$/);
  expect(await machine.run('restart', 'once')).toBe('once\n');
  expect(await machine.run('ps', '--format', '{{.Status}}')).toMatch(/^Up /);
  const refused = await machine.outcome('rm', 'once');
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(await machine.run('kill', 'once')).toBe('once\n');
  expect(await machine.run('wait', 'once')).toBe('137\n');
  expect(await machine.run('rm', 'once')).toBe('once\n');
  expect(await machine.outcome('rm', '-f', 'once')).toMatchObject({ code: 0, stdout: '' });
  expect(await machine.outcome('rm', 'once')).toMatchObject({ code: 1, stderr: 'Error: No such container: once\n' });
});

test('restart - keeps a container that --rm would remove at its end', async () => {
  const id = (await machine.run('run', '-d', '--rm', '--name', 'kept', IMAGE, 'sleep', '1000')).trim();
  expect(await machine.run('restart', '-t', '0', 'kept')).toBe('kept\n');
  expect(await machine.run('ps', '-q', '--no-trunc')).toBe(`${id}\n`);
  await machine.run('stop', '-t', '0', 'kept');
  await expect.poll(() => machine.run('ps', '-aq')).toBe('');
});

test('ps, port, inspect, top, stats of a server', async () => {
  const id = (await machine.run('run', '-d', '--name', 'web', '-p', '8080:80', IMAGE, 'sh', '-c', SERVER)).trim();
  await expect.poll(() => machine.inside('curl', '-sf', `http://${ADDRESS}:8080/`).catch(() => '')).toBe('hello\n');
  const [head, row] = (await machine.run('ps')).split('\n');
  expect(head).toMatch(/^CONTAINER ID {3}IMAGE {12}COMMAND {18}CREATED +STATUS +PORTS +NAMES$/);
  expect(row).toMatch(new RegExp(`^${id.slice(0, 12)} {3}busybox:latest {3}"sh -c mkdir -p /www…" `));
  expect(row).toMatch(/ ago {3}Up .* {3}0\.0\.0\.0:8080->80\/tcp {3}web$/);
  expect(await machine.run('ps', '-q')).toBe(`${id.slice(0, 12)}\n`);
  expect(await machine.run('port', 'web')).toBe('80/tcp -> 0.0.0.0:8080\n');
  expect(await machine.run('port', 'web', '80')).toBe('0.0.0.0:8080\n');
  const { NetworkSettings, State } = await machine.inspect('web');
  const inspected = await machine.run(
    'inspect',
    '-f',
    '{{.State.Pid}} {{.NetworkSettings.SandboxKey}}',
    id.slice(0, 6),
  );
  expect(inspected).toBe(`${State.Pid} ${NetworkSettings.SandboxKey}\n`);
  const inner = await machine.inside(
    'nsenter',
    `--net=${NetworkSettings.SandboxKey}`,
    'ip',
    '-j',
    'addr',
    'show',
    'eth0',
  );
  const [link] = JSON.parse(inner) as { address: string; addr_info: { local: string }[] }[];
  expect(NetworkSettings.Networks.bridge).toMatchObject({
    IPAddress: link?.addr_info[0]?.local,
    MacAddress: link?.address,
  });
  expect(await machine.run('top', 'web')).toMatch(/^UID {17}PID {17}.*CMD\n.*httpd -f -p 80 -h \/www\n$/s);
  expect(await machine.run('top', 'web', '-o', 'pid,comm')).toMatch(
    new RegExp(`^PID +COMMAND\n${State.Pid} +httpd\n$`),
  );
  expect(await machine.run('stats', '--no-stream')).toMatch(
    /^CONTAINER ID {3}NAME {6}CPU % .*MEM USAGE \/ LIMIT .*PIDS\n.* web {7}\d+\.\d\d% .*iB \/ .*iB .*%.*B \/ .*B.*\d+\n$/,
  );
  await machine.run('stop', '-t', '0', 'web');
  expect(await machine.run('stats', '--no-stream', 'web')).toMatch(/ web {7}0\.00% +0B \/ 0B +0\.00% .* 0\n$/);
  expect((await machine.run('stats', '--no-stream')).split('\n')).toHaveLength(2);
});

test('logs -f - goes on until the container ends', async () => {
  await machine.run('run', '-d', '--name', 'talker', IMAGE, 'sh', '-c', 'echo 1; echo 2; exec sleep 1000');
  const logs = machine.start('logs', '-f', '--tail', '1', 'talker');
  await logs.prints('2\n');
  await machine.run('kill', 'talker');
  expect(await logs.exit()).toBe(0);
});

test('stop - by the signal of the container, then by force', async () => {
  const script = 'trap "exit 4" INT; trap "" TERM; echo ready; while :; do sleep 0.1; done';
  const ready = async (name: string) => expect.poll(() => machine.run('logs', name)).toBe('ready\n');
  await machine.run('run', '-d', '--name', 'soft', '--stop-signal', 'INT', IMAGE, 'sh', '-c', script);
  await machine.run('run', '-d', '--name', 'hard', IMAGE, 'sh', '-c', script);
  await ready('soft');
  await ready('hard');
  expect(await machine.run('stop', 'soft')).toBe('soft\n');
  expect(await machine.run('stop', '-t', '0', 'hard')).toBe('hard\n');
  expect(await machine.run('wait', 'soft', 'hard')).toBe('4\n137\n');
});

test('container prune - removes what does not run', async () => {
  await machine.run('run', '--name', 'over', IMAGE, 'true');
  await machine.run('run', '-d', '--name', 'alive', IMAGE, 'sleep', '1000');
  expect(await machine.run('container', 'prune', '-f')).toMatch(/^Deleted Containers:\n[0-9a-f]{64}\n$/);
  expect(await machine.run('container', 'ls', '-a', '--format', '{{.Names}}')).toBe('alive\n');
});

test('the daemon is killed - whoever is attached is told so, and the container goes on', async () => {
  const attached = machine.start('run', '-i', '--name', 'kept', IMAGE, 'sh', '-c', 'echo ready; exec sleep 1000');
  await attached.prints('ready');
  await machine.restart();
  expect(await attached.exit()).toBe(125);
  expect(attached.err).toContain('the tsswarm daemon went away before it answered');
  expect(await machine.run('ps', '--format', '{{.Names}} {{.State}}')).toBe('kept running\n');
  await machine.run('kill', 'kept');
  expect(await machine.run('wait', 'kept')).toBe('137\n');
});
