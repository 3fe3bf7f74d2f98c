import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ContainerSettings } from '../../worker/executor/executor.js';
import type { OciExecutor } from '../../worker/executor/oci/index.js';
import { everything, type Ground, leftovers, never, settings, sh, useGround } from './executor-fixture.js';
import { whole } from './executor-streams.js';
import { runs } from './processes.js';

let ground: Ground;
let executor: OciExecutor;

useGround((opened) => {
  ground = opened;
  executor = opened.executor;
});

async function prepared(fields: Partial<ContainerSettings> = {}): Promise<string> {
  const container = settings(fields);
  await executor.prepare(container, never);
  return container.id;
}

/** Of the process that conmon has noted last. */
const notedPid = (id: string): number => Number(readFileSync(join(ground.folder, 'containers', id, 'pid'), 'utf8'));

async function logOf(id: string): Promise<string> {
  let text = '';
  for await (const line of executor.logs(id, everything, never)) text += Buffer.from(line.data).toString();
  return text;
}

/** What its process would be in the kernel: none of it may be left when it is taken back. */
const made = (id: string): string[] => [
  ...readdirSync(join(ground.folder, 'run/runtime')).filter((name) => name === id),
  ...leftovers(ground).filter((line) => /conmon|crun|runc/.test(line) && line.includes(id)),
];

const counting = sh('echo x >> /count; wc -l < /count; exit $(wc -l < /count)');

describe('executor - created', () => {
  it('a process waits, which nothing shows, and which the start lets go', async () => {
    const id = await prepared(counting);
    const before = await executor.inspect(id);
    await executor.create(id);
    await executor.create(id);
    const pid = notedPid(id);
    expect(runs(pid)).toBe(true);
    expect(await executor.inspect(id)).toEqual(before);
    expect(await executor.list()).toContainEqual(before);
    expect(await executor.isAlive(id)).toBe(false);
    expect((await executor.start(id)).pid).toBe(pid);
    expect((await executor.wait(id, never)).code).toBe(1);
    expect(await logOf(id)).toBe('1\n');
    await executor.remove(id);
  });

  it('it finds the names that were set, and who attached, before its start', async () => {
    const id = await prepared(sh('grep 10.1.2.3 /etc/hosts; cat /etc/resolv.conf'));
    await executor.create(id);
    const names = {
      addresses: [],
      hosts: ['10.1.2.3 other'],
      dns: { nameservers: ['10.1.2.1'], search: [], options: [] },
    };
    await executor.setNames(id, names);
    const streams = await executor.attach(id, false);
    await executor.start(id);
    expect(await whole(streams)).toEqual({ out: '10.1.2.3\tother\nnameserver 10.1.2.1\n', err: '', code: 0 });
    await executor.remove(id);
  });

  it('the terminal is as large as the one of who has attached before', async () => {
    const id = await prepared({ ...sh('stty size'), tty: true, openStdin: true });
    const streams = await executor.attach(id, true);
    await streams.resize(31, 97);
    await executor.create(id);
    await executor.start(id);
    expect((await whole(streams)).out).toBe('31 97\r\n');
    await executor.remove(id);
  });

  it('a start beside it is one with it', async () => {
    const id = await prepared(counting);
    await Promise.all([executor.create(id), executor.start(id), executor.create(id)]);
    expect((await executor.wait(id, never)).code).toBe(1);
    await executor.remove(id);
  });

  it('of one that runs there is nothing to do', async () => {
    const id = await prepared();
    const { pid } = await executor.start(id);
    await executor.create(id);
    await executor.uncreate(id);
    expect(notedPid(id)).toBe(pid);
    expect((await executor.inspect(id))?.status).toBe('running');
    await executor.remove(id);
  });
});

describe('executor - a creation taken back', () => {
  it('leaves the container as it was, before its first run and after', async () => {
    const id = await prepared(counting);
    await executor.uncreate(id);
    for (const run of [1, 2, 3]) {
      const before = await executor.inspect(id);
      await executor.create(id);
      const pid = notedPid(id);
      await executor.uncreate(id);
      expect(runs(pid)).toBe(false);
      expect(made(id)).toEqual([]);
      expect(await executor.inspect(id)).toEqual(before);
      await executor.start(id);
      expect((await executor.wait(id, never)).code).toBe(run);
    }
    expect(await logOf(id)).toBe('1\n2\n3\n');
    await executor.remove(id);
  });

  it('by removal leaves nothing, before the first run and after', async () => {
    for (const isNew of [true, false]) {
      const id = await prepared();
      if (!isNew) {
        await executor.start(id);
        await executor.stop(id, 'SIGKILL', 0);
      }
      await executor.create(id);
      const pid = notedPid(id);
      await executor.remove(id);
      expect(runs(pid)).toBe(false);
      expect(made(id)).toEqual([]);
      expect(existsSync(join(ground.folder, 'containers', id))).toBe(false);
      expect(leftovers(ground).filter((line) => line.includes(id))).toEqual([]);
    }
  });

  it('files that are copied meanwhile are those of its next run', async () => {
    const id = await prepared(sh('echo x >> /count; wc -l < /count'));
    await executor.start(id);
    await executor.wait(id, never);
    await executor.create(id);
    const { archive } = await executor.copyFrom(id, '/count', false);
    for await (const _ of archive);
    await executor.start(id);
    await executor.wait(id, never);
    expect(await logOf(id)).toBe('1\n2\n');
    await executor.remove(id);
  });
});

describe('executor - a creation that fails', () => {
  it('is told, takes all back, and is tried again by the start', async () => {
    const id = await prepared({ args: ['/no/such/program'] });
    await expect(executor.create(id)).rejects.toThrow('/no/such/program');
    expect(made(id)).toEqual([]);
    await expect(executor.start(id)).rejects.toThrow('/no/such/program');
    expect((await executor.inspect(id))?.status).toBe('prepared');
    await executor.remove(id);
  });

  it('of one whose process was killed before its start the start says so, and the next one works', async () => {
    const id = await prepared(counting);
    await executor.create(id);
    const pid = notedPid(id);
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => runs(pid)).toBe(false);
    await expect(executor.start(id)).rejects.toThrow();
    expect(made(id)).toEqual([]);
    await executor.start(id);
    expect((await executor.wait(id, never)).code).toBe(1);
    await executor.remove(id);
  });
});
