import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { until } from '../../demo/steps.js';
import { ADDRESS, IMAGE, useMachine } from './machine.js';

/** A container, or a task, that fills the disk of its node can be removed, and what failed meanwhile says why. */

const machine = useMachine({ dataSize: '96m' });
const FILL = ['dd', 'if=/dev/zero', 'of=/fill', 'bs=64k'];
const FILL_AND_STAY = ['sh', '-c', `${FILL.join(' ')}; exec sleep 600`];

const isFull = () => statfsSync(`${machine.folder}/data`).bfree === 0;
const untilFull = () => until('the disk is full', 30, async () => isFull() || undefined);

test('a container that has filled the disk is removed, and nothing of it is left', async () => {
  await machine.run('run', '-d', '--name', 'greedy', IMAGE, ...FILL_AND_STAY);
  await untilFull();
  const { code, stderr } = await machine.outcome('run', '--rm', IMAGE, 'true');
  expect({ code, stderr }).toEqual({
    code: 125,
    stderr: expect.stringMatching(/no space is left on the disk.*\n.*"df -h"/),
  });
  await machine.run('rm', '--force', 'greedy');
  expect(isFull()).toBe(false);
  expect(await machine.run('ps', '--all', '--quiet')).toBe('');
  await machine.run('run', '--rm', IMAGE, 'true');
});

test('a container that fills the disk and removes itself at its end does', async () => {
  const { code } = await machine.outcome('run', '--rm', '--name', 'greedy', IMAGE, ...FILL);
  expect(code).not.toBe(0);
  expect(await machine.run('ps', '--all', '--quiet')).toBe('');
  expect(isFull()).toBe(false);
});

describe('in a swarm', () => {
  afterEach(() => machine.outcome('leave', '--force'));

  test('a service that has filled the disk is removed, and the next one runs', async () => {
    await machine.run('init', '--advertise-addr', ADDRESS);
    await machine.run(
      'service',
      'create',
      '--quiet',
      '--name',
      'greedy',
      '--restart-condition',
      'none',
      '--stop-grace-period',
      '1s',
      IMAGE,
      ...FILL_AND_STAY,
    );
    await untilFull();
    await machine.run('service', 'rm', 'greedy');
    await until('there is room again', 60, async () => !isFull() || undefined);
    await machine.run('service', 'create', '--quiet', '--name', 'modest', IMAGE, 'sleep', '600');
    expect(await machine.run('service', 'ls', '--format', '{{.Name}} {{.Replicas}}')).toBe('modest 1/1\n');
  });

  /** Until nothing at all can be written. */
  function fill(): string {
    const file = `${machine.folder}/data/fill`;
    const fd = openSync(file, 'w');
    for (const size of [1 << 20, 1 << 12]) {
      try {
        for (;;) writeSync(fd, Buffer.alloc(size));
      } catch (error) {
        expect(error).toMatchObject({ code: 'ENOSPC' });
      }
    }
    closeSync(fd);
    return file;
  }

  const tasks = (service: string) =>
    machine.run('service', 'ps', '--no-trunc', '--format', '{{.DesiredState}}: {{.CurrentState}}: {{.Error}}', service);

  test('a full disk - service ps says why tasks do not start, and that others have ended', async () => {
    await machine.run('init', '--advertise-addr', ADDRESS);
    const once = ['service', 'create', '--detach', '--restart-condition', 'none', '--name'];
    await machine.run(...once, 'ends', IMAGE, 'sleep', '600');
    await until('it runs', 30, async () => (await tasks('ends')).startsWith('Running: Running') || undefined);
    const file = fill();
    await machine.run(...once, 'begins', IMAGE, 'sleep', '600');
    await until(
      'the reason',
      30,
      async () => /^\w+: Rejected .*: "?no space is left on the disk/.test(await tasks('begins')) || undefined,
    );
    const container = (await machine.run('ps', '--quiet', '--filter', 'name=ends')).trim();
    process.kill((await machine.inspect(container)).State.Pid, 'SIGKILL');
    await until('the end', 30, async () => /: Failed .*exit \(/.test(await tasks('ends')) || undefined);
    rmSync(file);
    await machine.run('service', 'update', '--quiet', '--force', 'begins');
    expect(await machine.run('service', 'ls', '--format', '{{.Name}} {{.Replicas}}')).toContain('begins 1/1\n');
  });

  test('a leave that fails - the node stays what it was, and leaves when what was in the way is gone', async () => {
    await machine.run('init', '--advertise-addr', ADDRESS);
    await machine.run('service', 'create', '--quiet', '--name', 'web', IMAGE, 'sleep', '600');
    const [id = ''] = readdirSync(`${machine.folder}/data/containers`);
    const inTheWay = `${machine.folder}/data/containers/${id}/etc`;
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', inTheWay]);
    const { code, stderr } = await machine.outcome('leave', '--force');
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(inTheWay) });
    const state = () => machine.run('info', '--format', '{{.Swarm.LocalNodeState}}');
    await until('it is at work again', 30, async () => (await state()) === 'active\n' || undefined);
    execFileSync('umount', [inTheWay]);
    await machine.run('leave', '--force');
    expect(await state()).toBe('inactive\n');
    expect(readdirSync(`${machine.folder}/data/containers`)).toEqual([]);
  });
});
