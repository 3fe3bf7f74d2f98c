import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { execute } from '../../demo/cli.js';
import { makeRootfsArchive } from '../../demo/image.js';
import { IMAGE, useMachine } from './machine.js';

const machine = useMachine();

interface Health {
  readonly Status: string;
  readonly FailingStreak: number;
  readonly Log: readonly { Start: string; End: string; ExitCode: number; Output: string }[];
}

const fast = ['--health-interval', '200ms', '--health-retries', '2'];
const run = (name: string, command: string, ...flags: readonly string[]) =>
  machine.run('run', '-d', '--name', name, '--health-cmd', command, ...fast, ...flags, IMAGE, 'sleep', '1000');
const health = async (name: string) =>
  JSON.parse(await machine.run('inspect', '-f', '{{json .State.Health}}', name)) as Health;
const status = (name: string) => machine.run('ps', '-a', '--filter', `name=${name}`, '--format', '{{.Status}}');
const becomes = (name: string, words: string) => expect.poll(() => status(name), { timeout: 15_000 }).toContain(words);

/** Command lines of the processes of this machine that have these words. */
async function processes(words: string): Promise<string[]> {
  const { stdout } = await execute('ps', ['-eo', 'pid,args']);
  return stdout.split('\n').filter((line) => line.includes(words) && !line.includes('ps -eo'));
}

const isOfContainer = (line: string): boolean => !line.includes('conmon') && !line.includes('crun');

describe('health of a container', () => {
  test('starting, healthy, unhealthy, healthy again; with what the checks said', async () => {
    await run('web', 'cat /tmp/ok', '--health-start-period', '1s', '--health-start-interval', '100ms');
    await becomes('web', '(health: starting)');
    await machine.run('exec', 'web', 'sh', '-c', 'echo fine > /tmp/ok');
    await becomes('web', '(healthy)');
    const well = await health('web');
    expect(well).toMatchObject({ Status: 'healthy', FailingStreak: 0 });
    expect(well.Log.at(-1)).toMatchObject({ ExitCode: 0, Output: 'fine\n' });
    expect(await machine.run('ps', '-q', '--filter', 'health=healthy')).not.toBe('');

    await machine.run('exec', 'web', 'rm', '/tmp/ok');
    await becomes('web', '(unhealthy)');
    const ill = await health('web');
    expect(ill).toMatchObject({ Status: 'unhealthy' });
    expect(ill.FailingStreak).toBeGreaterThanOrEqual(2);
    expect(ill.Log.length).toBeLessThanOrEqual(5);
    expect(ill.Log.at(-1)?.Output).toContain("can't open '/tmp/ok'");
    expect(Date.parse(ill.Log.at(-1)?.End ?? '')).toBeGreaterThan(Date.parse(ill.Log.at(-2)?.End ?? ''));

    await machine.run('exec', 'web', 'touch', '/tmp/ok');
    await becomes('web', '(healthy)');
  });

  test('a check over its time is killed with what it started, and is a failure', async () => {
    await run('slow', 'sleep 31415 & sleep 31415', '--health-timeout', '300ms');
    await becomes('slow', '(unhealthy)');
    const { Log } = await health('slow');
    // On a machine with much to do, one that was killed may not have ended when the next one is due.
    const words = /^Health check exceeded timeout \(0\.3s\)$|^The health check before was killed .* has not ended yet$/;
    for (const { ExitCode, Output } of Log)
      expect({ ExitCode, Output }).toEqual({ ExitCode: -1, Output: expect.stringMatching(words) });
    expect(Log.map(({ Output }) => Output)).toContain('Health check exceeded timeout (0.3s)');
    // Those of the check that is under way, and of none before: a few more only for as long as they take to die.
    const ofChecks = async () => (await processes('sleep 31415')).filter(isOfContainer).length;
    await expect.poll(ofChecks, { timeout: 10_000, interval: 20 }).toBeLessThanOrEqual(3);
  });

  test('is known after the daemon was killed, whose checks end by themselves, and go on', async () => {
    await run('hangs', '[ -e /tmp/hang ] && sleep 27182; [ ! -e /tmp/bad ]', '--health-timeout', '3s');
    // Once it is healthy there is no further check for an hour.
    const seldom = ['--health-interval', '1h', '--health-start-period', '1h', '--health-start-interval', '200ms'];
    await run('known', 'true', ...seldom);
    await becomes('hangs', '(healthy)');
    await becomes('known', '(healthy)');
    await machine.run('exec', 'hangs', 'touch', '/tmp/hang');
    await expect.poll(() => processes('sleep 27182')).not.toEqual([]);
    await machine.run('exec', 'hangs', 'rm', '/tmp/hang');
    await machine.restart();
    expect(await status('known')).toContain('(healthy)');
    await expect.poll(() => processes('sleep 27182'), { timeout: 15_000 }).toEqual([]);
    await machine.run('exec', 'hangs', 'touch', '/tmp/bad');
    await becomes('hangs', '(unhealthy)');
  });
});

describe('health of an image', () => {
  test('its own check holds, field by field, unless it is switched off', async () => {
    const { archive, remove } = await makeRootfsArchive();
    try {
      const check = 'HEALTHCHECK --interval=200ms --retries=1 CMD test -e /tmp/ok';
      await machine.run('image', 'import', '--change', check, '--change', 'ENV PATH=/bin', archive, 'checked:1');
    } finally {
      await remove();
    }
    const start = (name: string, ...flags: readonly string[]) =>
      machine.run('run', '-d', '--name', name, ...flags, 'checked:1', 'sleep', '1000');
    await start('own');
    await start('other', '--health-cmd', 'true');
    await start('off', '--no-healthcheck');
    await becomes('own', '(unhealthy)');
    await becomes('other', '(healthy)');
    expect(await status('off')).toMatch(/^Up [^(]*$/);
    expect(JSON.parse(await machine.run('inspect', '-f', '{{json .Config.Healthcheck}}', 'other'))).toEqual({
      Test: ['CMD-SHELL', 'true'],
      Interval: 200e6,
      Retries: 1,
    });
  });

  test('a docker archive keeps it', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'tsswarm-health-'));
    const { archive, remove } = await makeRootfsArchive();
    try {
      await execute('cp', [archive, path.join(folder, 'layer.tar')]);
      const digest = (await execute('sha256sum', [archive])).stdout.slice(0, 64);
      const config = {
        ...{ architecture: process.arch === 'x64' ? 'amd64' : process.arch, os: 'linux' },
        config: {
          Env: ['PATH=/bin'],
          Healthcheck: { Test: ['CMD', 'false'], Interval: 200_000_000, Retries: 1 },
        },
        rootfs: { type: 'layers', diff_ids: [`sha256:${digest}`] },
        history: [{ created: '2026-01-01T00:00:00Z' }],
      };
      await writeFile(path.join(folder, 'config.json'), JSON.stringify(config));
      const manifest = [{ Config: 'config.json', RepoTags: ['docker/checked:1'], Layers: ['layer.tar'] }];
      await writeFile(path.join(folder, 'manifest.json'), JSON.stringify(manifest));
      const image = path.join(folder, 'image.tar');
      await execute('tar', ['-cf', image, '-C', folder, 'manifest.json', 'config.json', 'layer.tar']);
      await machine.run('image', 'import', image);
    } finally {
      await remove();
      await rm(folder, { recursive: true });
    }
    await machine.run('run', '-d', '--name', 'docker', 'docker/checked:1', 'sleep', '1000');
    await becomes('docker', '(unhealthy)');
  });
});
