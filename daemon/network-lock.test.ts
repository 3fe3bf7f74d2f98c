import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { lockNetwork, taken as refusal } from './network-lock.js';

const name = `tsswarmd-test-${process.pid}`;
/** Tries for it in another process. */
const taken = () => {
  const server = `require('net').createServer().on('error', () => process.exit(3)).listen('\\0${name}', () => process.exit(0))`;
  return spawnSync(process.execPath, ['-e', server]).status === 3;
};

test('lockNetwork - a second one is refused with the pid of the first, until that gives it back', async () => {
  const unlock = await lockNetwork(name);
  await expect(lockNetwork(name)).rejects.toMatchObject({
    code: 'FAILED_PRECONDITION',
    message: `another tsswarmd (pid ${process.pid}) runs in this network namespace`,
  });
  expect(taken()).toBe(true);
  unlock();
  expect(taken()).toBe(false);
  (await lockNetwork(name))();
});

test('lockNetwork - of a holder that has ended since it was found nothing is refused', () => {
  const { pid } = spawnSync(process.execPath, ['--version']);
  expect(refusal({ pid, command: 'tsswarmd' })).toBeUndefined();
});
