import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../lib/ids.js';
import { mountTmpfs, unmount } from '../../netlb/kernel/mounts.js';
import type { ContainerSettings, ContainerState } from '../../worker/executor/executor.js';
import type { OciExecutor } from '../../worker/executor/oci/index.js';
import { busyboxTar, everything, type Ground, leftovers, never, openGround, settings, sh } from './executor-fixture.js';
import { listen, whole } from './executor-streams.js';
import { runs } from './processes.js';
import { program } from './programs.js';

let ground: Ground;
let hosts: ChildProcess[] = [];
let executor: OciExecutor;

beforeAll(async () => {
  ground = await openGround();
});

beforeEach(() => {
  hosts = [];
});

afterEach(async () => {
  for (const host of hosts) host.kill('SIGKILL');
  for (const { id } of await executor.list()) await executor.remove(id);
  await executor.close();
});

afterAll(async () => {
  await ground.close();
  expect(leftovers(ground)).toEqual([]);
});

/** A process with an executor in the ground's folders. */
function startHost() {
  const child = spawn(process.execPath, [program('executor-host'), ground.folder, ground.cgroupParent], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  hosts.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    send: (containers: ContainerSettings[], command: string[] = [], only?: 'create') =>
      child.stdin.write(`${JSON.stringify({ containers, command, only })}\n`),
    states: async () => JSON.parse((await lines.next()).value ?? '[]') as ContainerState[],
    async kill() {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}

const output = async (id: string): Promise<string> => {
  let text = '';
  for await (const line of executor.logs(id, everything, never)) text += Buffer.from(line.data).toString();
  return text;
};

describe('executor - after kill -9 of its process', () => {
  it('takes running containers back, and learns of exits in between', async () => {
    const source = join(ground.folder, 'shared');
    await mkdir(source);
    const mounts = [
      {
        type: 'bind' as const,
        source,
        target: '/shared',
        readOnly: true,
        propagation: '',
        nonRecursive: false,
        createMountpoint: false,
        tmpfsSizeBytes: 0,
        tmpfsMode: 0,
      },
    ];
    const waitFor = (file: string, code: number) =>
      sh(`echo up; until [ -e /shared/${file} ]; do sleep 0.02; done; echo down; exit ${code}`);
    const during = settings({ ...waitFor('during', 3), mounts });
    const after = settings({ ...waitFor('after', 4), mounts });
    const stays = settings();
    const host = startHost();
    host.send([during, after, stays]);
    const before = await host.states();
    await host.kill();

    await writeFile(join(source, 'during'), '');
    const gone = before.find(({ id }) => id === during.id)?.pid ?? 0;
    await expect.poll(() => runs(gone)).toBe(false);

    executor = await ground.open();
    const states = await executor.list();
    const state = (id: string, list: readonly ContainerState[]) => list.find((item) => item.id === id);
    expect(state(stays.id, states)).toEqual(state(stays.id, before));
    expect(state(after.id, states)).toEqual(state(after.id, before));
    expect((await executor.wait(during.id, never)).code).toBe(3);

    await writeFile(join(source, 'after'), '');
    expect((await executor.wait(after.id, never)).code).toBe(4);
    expect(await output(after.id)).toBe('up\ndown\n');
    expect((await executor.stop(stays.id, 'SIGTERM', 10)).code).toBe(137);
  });

  it('attaches again, with the input, and finds other processes running on', async () => {
    const script = 'while read line; do echo "got $line"; done; echo ended';
    const container = settings({ ...sh(script), openStdin: true });
    const host = startHost();
    host.send([container], ['sh', '-c', 'until [ -e /go ]; do sleep 0.02; done; echo out; touch /went']);
    await host.states();
    await host.kill();
    executor = await ground.open();
    const streams = await executor.attach(container.id, true);
    const heard = listen(streams);
    await streams.write(Buffer.from('one\n'));
    await expect.poll(() => heard.out).toBe('got one\n');
    const run = async (command: string[]) => {
      const base = { tty: false, stdin: false, env: [], user: '', dir: '', privileged: false, rows: 0, columns: 0 };
      return whole(await executor.exec(container.id, { ...base, command }));
    };
    expect((await run(['touch', '/go'])).code).toBe(0);
    await expect.poll(async () => (await run(['ls', '/went'])).code).toBe(0);
    await executor.remove(container.id);
    expect(await readdir(join(ground.folder, 'run/execs'))).toEqual([]);
  });

  it('takes back what was created and waited for its start, at any moment', async () => {
    for (const delay of [undefined, 5, 20, 40, 70]) {
      const host = startHost();
      host.send([settings()]);
      await host.states();
      const waiting = Array.from({ length: 4 }, () => settings(sh('echo ran')));
      host.send(waiting, [], 'create');
      if (delay === undefined) expect((await host.states()).map(({ status }) => status)).toContain('prepared');
      else await new Promise((resolve) => setTimeout(resolve, delay));
      await host.kill();
      executor = await ground.open();
      for (const { id, status } of await executor.list()) {
        if (status !== 'running') {
          expect(status).toBe('prepared');
          expect(leftovers(ground).filter((line) => line.includes(id) && /conmon|crun|runc/.test(line))).toEqual([]);
          expect(await output(id)).toBe('');
          await executor.start(id);
          await executor.wait(id, never);
          expect(await output(id)).toBe('ran\n');
        }
        await executor.remove(id);
      }
      await executor.close();
      expect(leftovers(ground)).toEqual([]);
    }
    executor = await ground.open();
  });

  it('cleans up what was in the making', async () => {
    for (const delay of [5, 25, 60, 120]) {
      const host = startHost();
      host.send([settings()]);
      await host.states();
      const many = Array.from({ length: 8 }, () => settings());
      host.send(many);
      await new Promise((resolve) => setTimeout(resolve, delay));
      await host.kill();
      executor = await ground.open();
      for (const { id, status } of await executor.list()) {
        if (status === 'prepared') expect((await executor.start(id)).status).toBe('running');
        await executor.remove(id);
      }
      expect(await readdir(join(ground.folder, 'containers'))).toEqual([]);
      await executor.close();
      expect(leftovers(ground)).toEqual([]);
    }
    executor = await ground.open();
  });
});

describe('executor - after the end of the monitor', () => {
  const monitor = (id: string) => Number(readFileSync(join(ground.folder, 'containers', id, 'conmon.pid'), 'utf8'));

  it('takes container and monitor killed together for an exit by SIGKILL', async () => {
    executor = await ground.open();
    const container = settings();
    await executor.prepare(container, never);
    const { pid } = await executor.start(container.id);
    process.kill(monitor(container.id), 'SIGKILL');
    process.kill(pid, 'SIGKILL');
    expect((await executor.wait(container.id, never)).code).toBe(137);
  });

  it('keeps a container that runs without', async () => {
    executor = await ground.open();
    const container = settings();
    await executor.prepare(container, never);
    await executor.start(container.id);
    process.kill(monitor(container.id), 'SIGKILL');
    await expect(executor.wait(container.id, AbortSignal.timeout(1500))).rejects.toThrow();
    expect((await executor.inspect(container.id))?.status).toBe('running');
    expect((await executor.stop(container.id, 'SIGTERM', 10)).code).toBe(137);
  });

  it('keeps nothing of a folder without record', async () => {
    await mkdir(join(ground.folder, 'containers', newId()));
    executor = await ground.open();
    expect(await executor.list()).toEqual([]);
    expect(await readdir(join(ground.folder, 'containers'))).toEqual([]);
  });

  it('takes the others back where one cannot be cleaned up now', async () => {
    executor = await ground.open();
    const container = settings(sh('sleep 1000'));
    await executor.prepare(container, never);
    await executor.start(container.id);
    await executor.close();
    const half = join(ground.folder, 'containers', newId());
    const mounted = join(half, 'in-use');
    await mkdir(mounted, { recursive: true });
    mountTmpfs({ target: mounted, size: '4k', mode: 0o755, flags: 0 });
    try {
      executor = await ground.open();
      expect(await executor.list()).toMatchObject([{ id: container.id, status: 'running' }]);
      expect(await readdir(half)).toEqual(['in-use']);
    } finally {
      unmount(mounted, { lazy: true });
    }
    await executor.close();
    executor = await ground.open();
    expect(await readdir(join(ground.folder, 'containers'))).toEqual([container.id]);
  });

  it('leaves alone what is not a container’s', async () => {
    const [folder, file] = ['lost+found', 'notes'].map((name) => join(ground.folder, 'containers', name)) as [
      string,
      string,
    ];
    await mkdir(folder);
    await writeFile(file, 'theirs');
    executor = await ground.open();
    expect(await executor.list()).toEqual([]);
    expect((await readdir(join(ground.folder, 'containers'))).sort()).toEqual(['lost+found', 'notes']);
    await Promise.all([folder, file].map((path) => rm(path, { recursive: true })));
  });
});

describe('executor - opened anew', () => {
  it('keeps the STOPSIGNAL of the image, for a stop that names no signal', async () => {
    const image = 'stops-by-usr1:1';
    const tar = createReadStream(await busyboxTar(await mkdtemp(join(ground.folder, 'image-'))));
    await ground.images.import(tar, { name: image, format: 'rootfs', changes: ['STOPSIGNAL SIGUSR1'] });
    const script = 'trap "exit 6" USR1; trap "exit 5" TERM; echo ready; while :; do sleep 0.05; done';
    for (const [signal, code] of [
      ['', 6],
      ['SIGTERM', 5],
    ] as const) {
      executor = await ground.open();
      const container = settings({ ...sh(script), image });
      await executor.prepare(container, never);
      await executor.start(container.id);
      for await (const _ of executor.logs(container.id, { ...everything, follow: true }, never)) break;
      await executor.close();
      executor = await ground.open();
      expect((await executor.stop(container.id, signal, 20_000)).code).toBe(code);
      await executor.remove(container.id);
    }
  });
});
