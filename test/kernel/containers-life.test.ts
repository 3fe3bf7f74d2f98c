import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { mountTmpfs, unmount } from '../../netlb/kernel/mounts.js';
import { ContainerPhase, PortConfig } from '../../proto/gen/index.js';
import { ContainersGround } from './containers-fixture.js';

const { CREATED, EXITED, RUNNING } = ContainerPhase;

let ground: ContainersGround;

beforeAll(async () => {
  ground = await ContainersGround.open();
}, 60_000);
afterEach(() => ground.clear());
afterAll(() => ground?.close(), 60_000);

const phaseOf = async (ref: string) => (await ground.list())?.find(({ id }) => id === ref)?.phase;
const isGone = async (id: string) => !(await ground.list())?.some((info) => info.id === id);
const output = async (ref: string) => {
  const options = { follow: false, since: 0, until: 0, stdout: true, stderr: true, tail: undefined };
  let text = '';
  for await (const { lines } of ground.rpc.containerLogs({ ref, options }))
    for (const { data } of lines) text += Buffer.from(data).toString();
  return text;
};

describe('container - its life', () => {
  it('is created, started, ends with its exit code, is started again with its files, and is removed', async () => {
    const { id } = await ground.create('once', ['sh', '-c', 'cat /seen; echo here > /seen; exit 3']);
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    expect(await phaseOf(id)).toBe(CREATED);
    await ground.rpc.startContainer({ ref: 'once' });
    expect(await ground.rpc.waitContainer({ ref: 'once' })).toMatchObject({ exitCode: 3 });
    expect(await phaseOf(id)).toBe(EXITED);
    expect(await output(id)).not.toContain('here');
    await ground.rpc.startContainer({ ref: id.slice(0, 8) });
    await ground.rpc.waitContainer({ ref: id });
    expect(await output(id)).toContain('here');
    await ground.rpc.removeContainer({ ref: 'once', force: false, volumes: false });
    await ground.nothingLeft();
  });

  it('is stopped by its signal or killed, and is not removed while it runs', async () => {
    const trap = ['sh', '-c', 'trap "exit 7" TERM; echo ready; while true; do sleep 0.05; done'];
    const id = await ground.run('trap', trap);
    await ground.until('the trap', async () => (await output(id)).includes('ready'));
    await expect(ground.rpc.removeContainer({ ref: id, force: false, volumes: false })).rejects.toThrow(
      'container is running',
    );
    await ground.rpc.stopContainer({ ref: id, signal: '', grace: undefined });
    expect(await ground.inspect(id)).toMatchObject({ phase: EXITED, exitCode: 7, pid: 0 });
    await ground.rpc.startContainer({ ref: id });
    await ground.rpc.killContainer({ ref: id, signal: 'KILL' });
    expect(await ground.inspect(id)).toMatchObject({ phase: EXITED, exitCode: 137 });
    await expect(ground.rpc.killContainer({ ref: id, signal: '' })).rejects.toThrow('is not running');
    await ground.rpc.startContainer({ ref: id });
    await ground.rpc.removeContainer({ ref: id, force: true, volumes: false });
    await ground.nothingLeft();
  });

  it('is stopped by the signal and in the time that are asked for', async () => {
    const trap = 'trap "exit 8" TERM; trap "sleep 2.5; exit 9" USR1; echo ready; while true; do sleep 0.05; done';
    const id = await ground.run('slow', ['sh', '-c', trap]);
    await ground.until('the trap', async () => (await output(id)).includes('ready'));
    await expect(ground.rpc.stopContainer({ ref: id, signal: 'SIGNO', grace: undefined })).rejects.toThrow('SIGNO');
    expect(await phaseOf(id)).toBe(RUNNING);
    // Longer than the two seconds of its own, and longer than a timer of setTimeout can be.
    await ground.rpc.stopContainer({ ref: id, signal: 'SIGUSR1', grace: Number.MAX_SAFE_INTEGER });
    expect(await ground.inspect(id)).toMatchObject({ phase: EXITED, exitCode: 9 });
  });

  it('runs on after a signal that it survives, and is not started again after one that ends it', async () => {
    const trap = 'trap "exit 8" TERM; trap "echo got" INT; echo ready; while true; do sleep 0.05; done';
    const id = await ground.run('tough', ['sh', '-c', trap], { restart: 'always' });
    await ground.until('the trap', async () => (await output(id)).includes('ready'));
    await ground.rpc.killContainer({ ref: id, signal: 'SIGINT' });
    await ground.until('the signal', async () => (await output(id)).includes('got'));
    // Whatever wakes its runner must not take it for one that is to be stopped.
    await ground.rpc.startContainer({ ref: id });
    const other = await ground.run('other', ['sleep', '1000']);
    await ground.rpc.removeContainer({ ref: other, force: true, volumes: false });
    expect(await ground.inspect(id)).toMatchObject({ phase: RUNNING, restartCount: 0 });
    await ground.rpc.killContainer({ ref: id, signal: 'TERM' });
    expect(await ground.rpc.waitContainer({ ref: id })).toMatchObject({ exitCode: 8 });
    expect(await ground.inspect(id)).toMatchObject({ phase: EXITED, restartCount: 0 });
  });

  it('with --rm leaves nothing once it has ended', async () => {
    const id = await ground.run('brief', ['true'], { autoRemove: true });
    await ground.until('its removal', () => isGone(id));
    await ground.nothingLeft();
  });

  it('of which something is refused leaves nothing', async () => {
    await ground.create('taken', ['true']);
    const before = ground.leftovers();
    await expect(ground.create('taken', ['true'])).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    await expect(ground.create('x!', ['true'])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(ground.create('other', ['true'], { networks: ['nowhere'] })).rejects.toThrow(
      'network nowhere not found',
    );
    await expect(ground.create('other', ['true'], { networks: ['host', 'bridge'] })).rejects.toThrow('conflicting');
    await expect(ground.create('other', ['true'], { restart: 'now' })).rejects.toThrow("unknown policy 'now'");
    expect(ground.leftovers()).toEqual(before);
    await ground.rpc.removeContainer({ ref: 'taken', force: false, volumes: false });
  });

  it('that cannot be run says why, and has no network then', async () => {
    const { id } = await ground.create('broken', ['/no/such/program']);
    await expect(ground.rpc.startContainer({ ref: id })).rejects.toThrow(/no such|not found|No such/i);
    const info = await ground.inspect(id);
    expect(info).toMatchObject({ phase: CREATED, endpoints: [] });
    expect(info.error).not.toBe('');
    expect(existsSync(info.sandboxKey)).toBe(false);
    await ground.rpc.removeContainer({ ref: id, force: false, volumes: false });
  });
});

describe('container - its policy', () => {
  it('starts it again after failures, until it is stopped', async () => {
    const id = await ground.run('flaky', ['sh', '-c', 'exit 5'], { restart: 'always' });
    await ground.until('three restarts', async () => (await ground.inspect(id)).restartCount >= 3);
    const waited = ground.rpc.waitContainer({ ref: id });
    await ground.rpc.stopContainer({ ref: id, signal: '', grace: undefined });
    expect(await waited).toMatchObject({ exitCode: 5 });
    expect(await phaseOf(id)).toBe(EXITED);
    await ground.rpc.removeContainer({ ref: id, force: false, volumes: false });
  });

  it('gives up after as many tries as on-failure says', async () => {
    const id = await ground.run('tries', ['sh', '-c', 'exit 5'], { restart: 'on-failure', restartMaxAttempts: 2 });
    expect(await ground.rpc.waitContainer({ ref: id })).toMatchObject({ exitCode: 5 });
    expect(await ground.inspect(id)).toMatchObject({ phase: EXITED, restartCount: 2 });
    await ground.rpc.removeContainer({ ref: id, force: false, volumes: false });
  });
});

describe('container - when the daemon is killed', () => {
  it('runs on and is taken back; ends in between are noticed', async () => {
    const ports = [PortConfig.create({ targetPort: 80, publishedPort: 8080 })];
    const serving = ['sh', '-c', 'echo hello > /index.html; exec httpd -f -p 80 -h /'];
    const stays = await ground.run('stays', serving, { ports });
    const ends = await ground.run('ends', ['sh', '-c', 'while [ ! -e /end ]; do sleep 0.05; done; exit 4']);
    const goes = await ground.run('goes', ['sleep', '1000'], { autoRemove: true });
    const returns = await ground.run('returns', ['sleep', '1000'], { restart: 'unless-stopped' });
    const before = await ground.inspect(stays);
    const victims = await Promise.all([ends, goes, returns].map(async (id) => (await ground.inspect(id)).pid));
    await ground.end('SIGKILL');
    for (const pid of victims) process.kill(pid, 'SIGKILL');
    await ground.until('the ends', () => victims.every((pid) => !existsSync(`/proc/${pid}/root/bin`)));
    expect(ground.outside('curl', '-s', '--max-time', '5', '127.0.0.1:8080')).toBe('hello\n');
    await ground.start();
    const after = await ground.inspect(stays);
    expect(after).toMatchObject({ phase: RUNNING, pid: before.pid, startedAt: before.startedAt });
    expect(after.endpoints).toEqual(before.endpoints);
    expect(await ground.rpc.waitContainer({ ref: ends })).toMatchObject({ exitCode: 137 });
    await ground.until('the removal', () => isGone(goes));
    await ground.until('the restart', async () => (await ground.inspect(returns)).phase === RUNNING);
    expect(ground.outside('curl', '-s', '--max-time', '5', '127.0.0.1:8080')).toBe('hello\n');
  });

  it('is kept for a person to save when its record is damaged', async () => {
    const { id } = await ground.create('damaged', ['sleep', '1000']);
    await ground.end('SIGKILL');
    const records = join(ground.options.dataRoot, 'local/containers');
    const record = readFileSync(join(records, id));
    // Of its name: it would decode.
    const at = record.indexOf('damaged');
    writeFileSync(join(records, id), record.fill('D', at, at + 1));
    await ground.start();
    expect(await phaseOf(id)).toBeUndefined();
    const folder = join(ground.options.dataRoot, 'containers', id);
    expect(existsSync(folder)).toBe(true);
    await ground.end('SIGTERM');
    rmSync(join(records, 'unreadable'), { recursive: true });
    await ground.start();
    await ground.until('the removal', () => !existsSync(folder));
  });

  it('that is on no record and cannot be removed now keeps nobody from the others', async () => {
    const { id } = await ground.create('stray', ['sleep', '1000']);
    const other = await ground.run('other', ['sleep', '1000']);
    await ground.end('SIGKILL');
    rmSync(join(ground.options.dataRoot, 'local/containers', id));
    const folder = join(ground.options.dataRoot, 'containers', id);
    const mounted = join(folder, 'in-use');
    mkdirSync(mounted);
    mountTmpfs({ target: mounted, size: '4k', mode: 0o755, flags: 0 });
    try {
      await ground.start();
      await ground.until('the others', async () => (await phaseOf(other)) === RUNNING);
      expect(existsSync(mounted)).toBe(true);
    } finally {
      unmount(mounted, { lazy: true });
    }
    await ground.end('SIGTERM');
    await ground.start();
    await ground.until('the removal', () => !existsSync(folder));
  });

  it('at any instant of a start, a stop and a removal leaves what the next one completes or removes', async () => {
    for (const ms of [0, 20, 60, 120, 250, 400]) {
      const { id } = await ground.create('unlucky', ['sleep', '1000']);
      const start = ground.rpc.startContainer({ ref: id });
      start.catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, ms));
      await ground.end('SIGKILL');
      await ground.start();
      await ground.until('the start', async () => (await phaseOf(id)) !== undefined);
      const removal = ground.rpc.removeContainer({ ref: id, force: true, volumes: false });
      removal.catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, ms));
      await ground.end('SIGKILL');
      await ground.start();
      const left = (await ground.list()) ?? [];
      for (const info of left)
        await ground.rpc.removeContainer({ ref: info.id, force: true, volumes: false }).catch(() => undefined);
      await ground.until('the removal', () => isGone(id));
      await ground.nothingLeft();
    }
  }, 120_000);
});

describe('container - when the machine is started anew', () => {
  it('comes back with its files and networks as its policy says', async () => {
    await ground.network('front');
    const networks = ['front'];
    const args = ['sh', '-c', 'echo run >> /runs; exec sleep 1000'];
    const always = await ground.run('always', args, { restart: 'always', networks });
    const plain = await ground.run('plain', args, { networks });
    const { id: created } = await ground.create('created', ['true'], { networks });
    const first = (await ground.inspect(always)).pid;
    await ground.restartMachine();
    await ground.until('the restart', async () => {
      const { phase, pid } = await ground.inspect(always);
      return phase === RUNNING && pid > 0 && pid !== first;
    });
    const { pid } = await ground.inspect(always);
    await ground.until('both runs', () => readFileSync(`/proc/${pid}/root/runs`, 'utf8') === 'run\nrun\n');
    expect(ground.addresses(always)).toEqual([expect.stringMatching(/^eth0 172\./)]);
    expect(await ground.inspect(plain)).toMatchObject({ phase: EXITED, endpoints: [] });
    await ground.rpc.startContainer({ ref: plain });
    expect(await phaseOf(created)).toBe(CREATED);
    await ground.rpc.startContainer({ ref: created });
    expect(await ground.rpc.waitContainer({ ref: created })).toMatchObject({ exitCode: 0 });
  });
});
