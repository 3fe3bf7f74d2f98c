import path from 'node:path';
import { expect, test } from 'vitest';
import { BINARY, execute } from '../../demo/cli.js';
import { IMAGE, useMachine } from './machine.js';

const machine = useMachine();
const DAEMON = path.join(path.dirname(BINARY), 'tsswarmd');

test('a second daemon in a network namespace is refused, and takes nothing of the first one away', async () => {
  await machine.run('run', '-d', '--name', 'web', '--publish', '8080:80', IMAGE, 'sleep', '600');
  const kernel = () => machine.inside('sh', '-c', 'nft --stateless list ruleset; ip -brief link | sort');
  const before = await kernel();
  const roots = ['--data-root', `${machine.folder}/other`, '--run-root', `${machine.folder}/other-run`];
  const second = [`--net=/run/netns/${machine.namespace}`, DAEMON, ...roots];
  const { code, stdout, stderr } = await execute('nsenter', second);
  expect({ code, said: stdout + stderr }).toEqual({
    code: 1,
    said: expect.stringMatching(/another tsswarmd \(pid \d+\) runs in this network namespace/),
  });
  expect(await kernel()).toBe(before);
});
