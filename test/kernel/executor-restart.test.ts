import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { unmount } from '../../netlb/kernel/mounts.js';
import type { ContainerSettings } from '../../worker/executor/executor.js';
import type { OciExecutor } from '../../worker/executor/oci/index.js';
import { everything, type Ground, never, settings, sh, useGround } from './executor-fixture.js';
import { whole } from './executor-streams.js';
import { runs } from './processes.js';

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

async function ended(id: string): Promise<number> {
  await executor.start(id);
  return (await executor.wait(id, never)).code;
}

async function logOf(id: string): Promise<string> {
  let text = '';
  for await (const line of executor.logs(id, everything, never)) text += Buffer.from(line.data).toString();
  return text;
}

const counting = sh('echo x >> /count; wc -l < /count; exit $(wc -l < /count)');

describe('executor - started again', () => {
  it('keeps its layer and its log', async () => {
    const id = await prepared(counting);
    expect(await ended(id)).toBe(1);
    const first = await executor.inspect(id);
    expect(await ended(id)).toBe(2);
    expect(await ended(id)).toBe(3);
    expect(await logOf(id)).toBe('1\n2\n3\n');
    const last = await executor.inspect(id);
    expect(last?.startedAt).toBeGreaterThan(first?.startedAt ?? 0);
    expect(last).toMatchObject({ status: 'exited', exit: { code: 3 } });
    await executor.remove(id);
  });

  it('keeps what it made of its root folder', async () => {
    const id = await prepared(sh('stat -c %a /; chmod 700 /; rm -f /etc/group; ls /etc'));
    await ended(id);
    await ended(id);
    const seen = 'hostname\nhosts\npasswd\nresolv.conf\n';
    expect(await logOf(id)).toBe(`755\n${seen}700\n${seen}`);
    await executor.remove(id);
  });

  it('is running, without an exit, and waits for the new one', async () => {
    const id = await prepared(sh('[ -e /again ] && exec sleep 1000; touch /again; exit 5'));
    expect(await ended(id)).toBe(5);
    expect(await executor.wait(id, never)).toMatchObject({ code: 5 });
    const state = await executor.start(id);
    expect(state).toMatchObject({ status: 'running', exit: undefined });
    expect((await executor.start(id)).pid).toBe(state.pid);
    await expect(executor.wait(id, AbortSignal.timeout(100))).rejects.toThrow();
    expect((await executor.stop(id, 'KILL', 1000)).code).toBe(137);
    await executor.remove(id);
  });

  it('at once when it is stopped and started by many', async () => {
    const id = await prepared(counting);
    for (let i = 0; i < 3; i++) {
      await Promise.all([executor.start(id), executor.start(id), executor.stop(id, 'KILL', 0), executor.start(id)]);
    }
    await executor.wait(id, never);
    await executor.remove(id);
  });

  it('gives those who wait the streams of the new run', async () => {
    const id = await prepared(counting);
    await ended(id);
    const streams = await executor.attach(id, false);
    await executor.start(id);
    expect(await whole(streams)).toEqual({ out: '2\n', err: '', code: 2 });
    await executor.remove(id);
  });

  it('has other addresses in its hosts', async () => {
    const networkNamespace = '/proc/self/ns/net';
    const fields = { hostname: 'box', networkNamespace, addresses: ['192.0.2.1/24'], hosts: ['192.0.2.9 other'] };
    const id = await prepared({ ...sh('grep 192.0.2 /etc/hosts'), ...fields });
    await ended(id);
    await executor.setNames(id, {
      addresses: ['192.0.2.2/24'],
      hosts: [],
      dns: { nameservers: [], search: [], options: [] },
    });
    await ended(id);
    expect(await logOf(id)).toBe('192.0.2.9\tother\n192.0.2.1\tbox\n192.0.2.2\tbox\n');
    await executor.remove(id);
  });

  it('is refused with the secrets gone, and the exit stays', async () => {
    const files = [{ target: '/secret', data: Buffer.from('s'), uid: 0, gid: 0, mode: 0o400 }];
    const id = await prepared({ ...sh('exit 6'), files });
    expect(await ended(id)).toBe(6);
    await expect(executor.start(id)).rejects.toThrow('its secrets and configs are gone');
    expect(await executor.inspect(id)).toMatchObject({ status: 'exited', exit: { code: 6 } });
    await executor.remove(id);
  });

  it('stops by its own signal', async () => {
    const script = 'trap "exit 6" USR1; trap "exit 5" TERM; echo ready; while :; do sleep 0.05; done';
    const id = await prepared({ ...sh(script), stopSignal: 'SIGUSR1' });
    await executor.start(id);
    for await (const _ of executor.logs(id, { ...everything, follow: true }, never)) break;
    expect((await executor.stop(id, '', 20_000)).code).toBe(6);
    await executor.remove(id);
    await expect(prepared({ stopSignal: 'SIGNONSENSE' })).rejects.toThrow('invalid signal');
  });

  it('tells what it was made of', async () => {
    const id = await prepared({ ...sh('exit'), init: false });
    expect(await executor.facts(id)).toMatchObject({
      imageId: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      command: ['sh', '-c', 'exit'],
      exposedPorts: [],
      rootfs: join(ground.folder, 'containers', id, 'rootfs'),
    });
    await executor.remove(id);
  });
});

describe('executor - after a restart', () => {
  /** The same folders, as the next daemon finds them. */
  async function reopen(between: () => void = () => undefined): Promise<void> {
    await executor.close();
    between();
    executor = await ground.open();
  }

  /** What a restart of the machine leaves: neither processes, nor mounts, nor the run folder. */
  function loseMemory(): void {
    for (const id of readdirSync(join(ground.folder, 'containers'))) {
      const folder = join(ground.folder, 'containers', id);
      unmount(join(folder, 'rootfs'), { lazy: true });
      const record = JSON.parse(readFileSync(join(folder, 'record.json'), 'utf8'));
      const process = record.process && { ...record.process, boot: 'another' };
      writeFileSync(join(folder, 'record.json'), JSON.stringify({ ...record, process }));
    }
    rmSync(join(ground.folder, 'run'), { recursive: true });
  }

  it('of the machine shows what was there, and starts it', async () => {
    const never = await prepared(counting);
    const exited = await prepared(counting);
    expect(await ended(exited)).toBe(1);
    await reopen(loseMemory);
    expect(await executor.inspect(never)).toMatchObject({ status: 'prepared' });
    expect(await executor.inspect(exited)).toMatchObject({ status: 'exited', exit: { code: 1 } });
    expect(await ended(never)).toBe(1);
    expect(await ended(exited)).toBe(2);
    expect(await logOf(exited)).toBe('1\n2\n');
    await executor.remove(never);
    await executor.remove(exited);
  });

  it('of the machine takes one that ran for killed', async () => {
    const id = await prepared({});
    const { pid } = await executor.start(id);
    await executor.close();
    const monitor = Number(readFileSync(join(ground.folder, 'containers', id, 'conmon.pid'), 'utf8'));
    process.kill(monitor, 'SIGKILL');
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => runs(pid)).toBe(false);
    loseMemory();
    executor = await ground.open();
    expect((await executor.wait(id, never)).code).toBe(137);
    expect((await executor.start(id)).status).toBe('running');
    await executor.remove(id);
  });

  it.each([
    ['before it made a process', '2'],
    ['before it noted the number', ''],
  ])('of the daemon in a second start, %s, keeps the exit of the first', async (_, mark) => {
    const id = await prepared(counting);
    expect(await ended(id)).toBe(1);
    await reopen(() => writeFileSync(join(ground.folder, 'containers', id, 'launching'), mark));
    expect(await executor.inspect(id)).toMatchObject({ status: 'exited', exit: { code: 1 } });
    expect(await ended(id)).toBe(2);
    await executor.remove(id);
  });

  it('of the daemon after a second start that was not noted takes it as running', async () => {
    const id = await prepared(sh('[ -e /again ] && exec sleep 1000; touch /again; exit 5'));
    expect(await ended(id)).toBe(5);
    const record = join(ground.folder, 'containers', id, 'record.json');
    const before = readFileSync(record);
    const { pid } = await executor.start(id);
    await reopen(() => writeFileSync(record, before));
    expect(await executor.inspect(id)).toMatchObject({ status: 'running', pid, exit: undefined });
    expect((await executor.stop(id, 'KILL', 100)).code).toBe(137);
    expect(await executor.inspect(id)).toMatchObject({ status: 'exited', exit: { code: 137 } });
    await executor.remove(id);
  });
});
