import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ContainerSettings } from '../../worker/executor/executor.js';
import type { OciExecutor } from '../../worker/executor/oci/index.js';
import { type Ground, never, settings, sh, useGround } from './executor-fixture.js';
import { listen, whole } from './executor-streams.js';

let ground: Ground;
let executor: OciExecutor;

useGround((opened) => {
  ground = opened;
  executor = opened.executor;
});

async function prepared(fields: Partial<ContainerSettings>): Promise<string> {
  const container = settings(fields);
  await executor.prepare(container, never);
  return container.id;
}

const interactive = { openStdin: true, stdinOnce: true };

describe('executor - attach', () => {
  it('before the start misses nothing, and tells streams apart', async () => {
    const id = await prepared(sh('echo out; echo err >&2; exit 3'));
    const streams = await executor.attach(id, false);
    await executor.start(id);
    expect(await whole(streams)).toEqual({ out: 'out\n', err: 'err\n', code: 3 });
  });

  it('gives all to each of several', async () => {
    const id = await prepared({ args: ['seq', '1', '20000'] });
    const all = await Promise.all(Array.from({ length: 20 }, () => executor.attach(id, false)));
    const heard = all.map(whole);
    await executor.start(id);
    const lines = `${Array.from({ length: 20_000 }, (_, index) => index + 1).join('\n')}\n`;
    for (const { out, code } of await Promise.all(heard)) {
      expect(code).toBe(0);
      expect(out === lines).toBe(true);
    }
  });

  it('carries input of any size, and its end', async () => {
    const id = await prepared({ ...sh('wc -c'), ...interactive });
    const streams = await executor.attach(id, true);
    await executor.start(id);
    const heard = whole(streams);
    for (let i = 0; i < 30; i++) await streams.write(Buffer.alloc(100_000, 120));
    await streams.closeInput();
    expect(await heard).toEqual({ out: '3000000\n', err: '', code: 0 });
  });

  it('waits for who does not read: output is not dropped', async () => {
    const id = await prepared({ args: ['head', '-c', '3000000', '/dev/zero'] });
    const streams = await executor.attach(id, false);
    await executor.start(id);
    let size = 0;
    for await (const { data } of streams.output) {
      size += data.length;
      if (size < 100_000) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(size).toBe(3_000_000);
  });

  it('ends the input with the one who gives it, not with others', async () => {
    const id = await prepared({ ...sh('cat; echo ended'), ...interactive });
    const giver = await executor.attach(id, true);
    const watcher = await executor.attach(id, false);
    await executor.start(id);
    const heard = listen(giver);
    watcher.close();
    for await (const _ of watcher.output) expect.unreachable();
    await giver.write(Buffer.from('one\n'));
    await expect.poll(() => heard.out).toBe('one\n');
    const other = listen(await executor.attach(id, false));
    giver.close();
    await expect.poll(() => other.out).toBe('ended\n');
    expect((await executor.wait(id, never)).code).toBe(0);
  });

  it('keeps the input of a container that outlives those who give it', async () => {
    const id = await prepared({ ...sh('while read line; do echo "got $line"; done'), openStdin: true });
    await executor.start(id);
    for (const word of ['one', 'two']) {
      const streams = await executor.attach(id, true);
      const heard = listen(streams);
      await streams.write(Buffer.from(`${word}\n`));
      await expect.poll(() => heard.out).toBe(`got ${word}\n`);
      await streams.closeInput();
      streams.close();
      await heard.ended;
    }
    await executor.remove(id);
  });

  it('tells those who wait that it cannot be started, or was removed', async () => {
    const id = await prepared({ args: ['no-such-program'] });
    const streams = await executor.attach(id, false);
    await expect(executor.start(id)).rejects.toThrow('no-such-program');
    expect(await streams.exit).toMatchObject({ code: 127, error: expect.stringContaining('no-such-program') });
    for await (const _ of streams.output) expect.unreachable();
    const late = await executor.attach(id, false);
    await executor.remove(id);
    await expect(late.exit).rejects.toThrow('No such container');
    await expect(executor.attach(id, false)).rejects.toThrow('No such container');
  });
});

describe('executor - terminal', () => {
  it('is one, of the size that was given before the start, and of later ones', async () => {
    const script = 'trap "stty size" WINCH; test -t 0 && test -t 1 && tty; stty size; while :; do sleep 0.05; done';
    const id = await prepared({ ...sh(script), tty: true, openStdin: true });
    const streams = await executor.attach(id, true);
    await streams.resize(40, 132);
    await executor.start(id);
    const heard = listen(streams);
    await expect.poll(() => heard.out).toMatch(/^\/dev\/pts\/0\r\n40 132\r\n/);
    await streams.resize(24, 80);
    await expect.poll(() => heard.out).toMatch(/24 80\r\n$/);
    await executor.remove(id);
    await heard.ended;
  });

  it('makes an interrupt of byte 3, and echoes', async () => {
    const id = await prepared({ ...sh('trap "echo stopped; exit 4" INT; echo up; cat'), tty: true, openStdin: true });
    const streams = await executor.attach(id, true);
    const heard = whole(streams);
    await executor.start(id);
    await streams.write(Buffer.from('hello\n'));
    const other = listen(await executor.attach(id, true));
    await streams.write(Buffer.from('again\n'));
    await expect.poll(() => other.out).toContain('again\r\n');
    await streams.write(Buffer.from([3]));
    expect(await heard).toMatchObject({
      code: 4,
      out: expect.stringMatching(/up\r\n[\s\S]*hello\r\n[\s\S]*\^Cstopped\r\n$/),
    });
  });

  it('passes signals on', async () => {
    const id = await prepared(sh('trap "exit 7" USR1; echo up; while :; do sleep 0.05; done'));
    const streams = await executor.attach(id, false);
    await executor.start(id);
    const heard = listen(streams);
    await expect.poll(() => heard.out).toBe('up\n');
    await streams.signal('SIGUSR1');
    expect((await streams.exit).code).toBe(7);
    await expect(streams.signal('SIGNONSENSE')).rejects.toThrow('invalid signal');
  });
});

describe('executor - attach without a monitor', () => {
  it('is refused, with the reason', async () => {
    const id = await prepared({});
    await executor.start(id);
    process.kill(Number(readFileSync(join(ground.folder, 'containers', id, 'conmon.pid'), 'utf8')), 'SIGKILL');
    await expect.poll(() => executor.attach(id, false).then(String, String)).toMatch('its monitor was killed');
    await executor.remove(id);
  });
});
