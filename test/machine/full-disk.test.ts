import { statfsSync } from 'node:fs';
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
});
