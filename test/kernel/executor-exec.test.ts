import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ExecSettings } from '../../worker/executor/interactive.js';
import type { OciExecutor } from '../../worker/executor/oci/index.js';
import { type Ground, leftovers, never, openGround, settings, sh } from './executor-fixture.js';
import { listen, whole } from './executor-streams.js';

let ground: Ground;
let executor: OciExecutor;
let id: string;

beforeAll(async () => {
  ground = await openGround();
  executor = ground.executor;
  const container = settings({ env: ['OWN=1'], dir: '/tmp' });
  id = container.id;
  await executor.prepare(container, never);
  await executor.start(id);
});

afterAll(async () => {
  await ground.close();
  expect(leftovers(ground)).toEqual([]);
});

function execSettings(fields: Partial<ExecSettings>): ExecSettings {
  return {
    ...{ command: ['true'], tty: false, stdin: false, env: [], user: '', dir: '', privileged: false },
    ...{ rows: 0, columns: 0, ...fields },
  };
}
const shell = (script: string, fields: Partial<ExecSettings> = {}) =>
  execSettings({ command: ['sh', '-c', script], ...fields });
const output = async (what: ExecSettings) => (await whole(await executor.exec(id, what))).out;

describe('executor - exec', () => {
  it('gives output, errors and the exit code', async () => {
    const streams = await executor.exec(id, shell('echo out; echo err >&2; exit 42'));
    expect(await whole(streams)).toEqual({ out: 'out\n', err: 'err\n', code: 42 });
    expect((await whole(await executor.exec(id, shell('kill -9 $$')))).code).toBe(137);
  });

  it.each([
    [['no-such-program'], 127, 'no-such-program'],
    [['/etc/passwd'], 126, 'ermission denied'],
  ])('tells why %s cannot be run', async (command, code, words) => {
    const streams = await executor.exec(id, execSettings({ command }));
    expect(await streams.exit).toEqual({ code, error: expect.stringContaining(words) });
    expect((await whole(streams)).out).toBe('');
  });

  it('runs in the container: its environment, folder, processes', async () => {
    expect(await output(shell('echo $GREETING $OWN $MINE $PWD; hostname', { env: ['MINE=2'] }))).toBe(
      `hello 1 2 /tmp\n${(await output(shell('hostname'))).trim()}\n`,
    );
    expect(await output(shell('kill -0 1 && echo seen; grep -c . /proc/1/cgroup', { dir: '/etc' }))).toMatch(/^seen/);
    expect(await output(execSettings({ command: ['pwd'], dir: '/etc' }))).toBe('/etc\n');
  });

  it('runs as another user, and with more rights', async () => {
    expect(await output(shell('id; echo $HOME', { user: 'web' }))).toBe(
      'uid=1000(web) gid=1000(web) groups=2000(extra)\n/home/web\n',
    );
    expect(await output(shell('id -u; id -g', { user: '12:34' }))).toBe('12\n34\n');
    const capabilities = (fields: Partial<ExecSettings>) => output(shell('grep CapEff /proc/self/status', fields));
    const plain = await capabilities({});
    expect(await capabilities({ user: 'web' })).toMatch(/0{16}/);
    expect(await capabilities({ privileged: true })).not.toBe(plain);
  });

  it('names a user or folder that is not there', async () => {
    for (const [fields, error] of [
      [{ user: 'nobody-here' }, 'unable to find user nobody-here: no matching entries in passwd file'],
      [{ dir: '/nowhere' }, 'no such folder in the container: /nowhere'],
    ] as const) {
      const streams = await executor.exec(id, execSettings({ ...fields, tty: true, stdin: true }));
      expect(await streams.exit).toEqual({ code: 126, error });
      expect((await whole(streams)).out).toBe('');
      await streams.write(Buffer.from('x'));
      await streams.signal('TERM');
    }
    await expect(executor.exec(id, execSettings({ command: [] }))).rejects.toThrow('no command');
  });

  it('carries input to its end', async () => {
    const streams = await executor.exec(id, shell('wc -c', { stdin: true }));
    const heard = whole(streams);
    for (let i = 0; i < 10; i++) await streams.write(Buffer.alloc(100_000, 120));
    await streams.closeInput();
    expect(await heard).toEqual({ out: '1000000\n', err: '', code: 0 });
  });

  it('has a terminal that is resized, and interrupted', async () => {
    const script = 'trap "stty size" WINCH; trap "exit 9" INT; tty; stty size; while :; do sleep 0.05; done';
    const streams = await executor.exec(id, shell(script, { tty: true, stdin: true, rows: 33, columns: 99 }));
    const heard = listen(streams);
    await expect.poll(() => heard.out).toMatch(/^\/dev\/pts\/\d+\r\n33 99\r\n/);
    await streams.resize(20, 70);
    await expect.poll(() => heard.out).toContain('20 70\r\n');
    await streams.write(Buffer.from([3]));
    expect((await streams.exit).code).toBe(9);
    await heard.ended;
  });

  it('passes signals to its process only', async () => {
    const streams = await executor.exec(id, shell('trap "exit 7" TERM; echo up; while :; do sleep 0.05; done'));
    const heard = listen(streams);
    await expect.poll(() => heard.out).toBe('up\n');
    await streams.signal('TERM');
    expect((await streams.exit).code).toBe(7);
    expect((await executor.inspect(id))?.status).toBe('running');
  });

  it('runs many at once', async () => {
    const all = Array.from({ length: 20 }, async (_, index) => {
      const streams = await executor.exec(id, shell(`sleep 0.2; echo ${index}; exit ${index}`));
      return whole(streams);
    });
    expect(await Promise.all(all)).toEqual(all.map((_, index) => ({ out: `${index}\n`, err: '', code: index })));
  });

  it('goes on when its caller lets go, and leaves nothing when it ends', async () => {
    const streams = await executor.exec(id, shell('until [ -e /tmp/go ]; do sleep 0.02; done; echo done > /tmp/went'));
    streams.close();
    await output(shell('touch /tmp/go'));
    await expect.poll(() => output(shell('cat /tmp/went'))).toBe('done\n');
    expect((await streams.exit).code).toBe(0);
    await expect.poll(() => readdir(join(ground.folder, 'run/execs', id))).toEqual([]);
  });

  it('works in a container that another daemon started', async () => {
    const again = await ground.open();
    expect(await whole(await again.exec(id, shell('echo hi; exit 3')))).toEqual({ out: 'hi\n', err: '', code: 3 });
    await again.close();
  });

  it('ends with its container, and needs it to run', async () => {
    const container = settings(sh('sleep 1000'));
    await executor.prepare(container, never);
    await expect(executor.exec(container.id, execSettings({}))).rejects.toThrow('is not running');
    await executor.start(container.id);
    const streams = await executor.exec(container.id, shell('sleep 1000'));
    await executor.kill(container.id, 'KILL');
    expect((await whole(streams)).code).toBe(137);
    await executor.wait(container.id, never);
    await expect(executor.exec(container.id, execSettings({}))).rejects.toThrow('is not running');
    await executor.remove(container.id);
  });
});
