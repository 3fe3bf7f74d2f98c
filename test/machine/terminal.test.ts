import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { execute } from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import { hangUp } from './hang-up.js';
import { IMAGE, useMachine } from './machine.js';
import { processOf } from './process-of.js';
import { Terminal } from './terminal.js';

const machine = useMachine();
const type = (...args: readonly string[]) => new Terminal(machine, ...args);

test('run -it - a shell with the size of the window, its changes, and keys as they are', async () => {
  const shell = type('run', '-it', '--rm', IMAGE, 'sh');
  await shell.prints('#');
  expect(await shell.stty('-a')).toMatch(/-isig -icanon .*-echo /s);
  shell.type('stty size\r');
  await shell.prints('33 101');
  await shell.stty('rows', '40', 'cols', '120');
  // The new size takes a moment to arrive: the shell is asked until it knows it.
  shell.type('until [ "$(stty size)" = "40 120" ]; do :; done; echo re"sized"\r');
  await shell.prints('resized');
  shell.type('sleep 4244; echo rc=$?\r');
  // Ctrl-C is for the program in the container, once it runs: until the shell has taken the line it is input like other keys.
  await until('it sleeps', 20, () => processOf('sleep', '4244'));
  shell.type('\x03');
  shell.type('echo al"ive"\r');
  await shell.prints('alive');
  shell.type('exit 5\r');
  expect(await shell.exit()).toBe(5);
});

test('detach keys - leave the container running, attach comes back to it', async () => {
  const shell = type('run', '-it', '--name', 'kept', IMAGE, 'sh');
  await shell.prints('#');
  shell.type('A=hel"lo"\r\x10\x11');
  expect(await shell.exit()).toBe(0);
  expect((await machine.inspect('kept')).State.Status).toBe('running');
  const again = type('attach', '--detach-keys', 'ctrl-x,x', 'kept');
  await until('it is attached', 20, async () => (await again.stty('-a')).includes('-icanon') || undefined);
  again.type('echo $A\r');
  await again.prints('hello');
  again.type('\x18x');
  expect(await again.exit()).toBe(0);
});

test.each(['SIGTERM', 'SIGHUP'] as const)('%s - puts the terminal back first', async (signal) => {
  const shell = type('run', '-it', '--rm', IMAGE, 'sh');
  await shell.prints('#');
  expect(await shell.stty('-a')).toContain('-icanon');
  await shell.kill(signal);
  expect(await shell.exit()).toBe(128 + constants.signals[signal]);
  expect(shell.out).toMatch(/^opost .*^isig icanon iexten echo /ms);
});

test('a terminal that is closed - ends the command as any other, by SIGHUP', async () => {
  const shellRuns = async () => (await machine.outcome('exec', 'left', 'true')).code === 0 || undefined;
  const typed = ['run', '-it', '--name', 'left', IMAGE, 'sh'];
  expect(await hangUp(machine.env, typed, async () => void (await until('it runs', 20, shellRuns)))).toBe('SIGHUP');
});

test('exec -it - a terminal of its own, and the exit code', async () => {
  await machine.run('run', '-d', '--name', 'host', IMAGE, 'sleep', '1000');
  const shell = type('exec', '-it', '-e', 'A=x', '-w', '/tmp', 'host', 'sh');
  await shell.prints('#');
  shell.type('stty size; pwd; echo "<$A>"; tty; exit 3\r');
  await shell.prints('33 101');
  await shell.prints('/tmp');
  await shell.prints('<x>');
  await shell.prints('/dev/pts/');
  expect(await shell.exit()).toBe(3);
});

test('exec -it - a terminal that is closed hangs up on its process, and detach keys leave it', async () => {
  await machine.run('run', '-d', '--name', 'host', IMAGE, 'sleep', '1000');
  const sleeping = (seconds: string) => () => processOf('sleep', seconds);
  const closed = ['exec', '-it', 'host', 'sh', '-c', 'sleep 4245; :'];
  const inUse = async (terminal: string) => {
    await until('it sleeps', 20, sleeping('4245'));
    const isRaw = async () => (await execute('stty', ['-F', terminal, '-a'])).stdout.includes('-opost') || undefined;
    await until('keys are input', 20, isRaw);
  };
  expect(await hangUp(machine.env, closed, inUse)).toBe('SIGHUP');
  await until('it has ended', 20, async () => ((await sleeping('4245')()) === undefined ? true : undefined));

  const left = type('exec', '-it', 'host', 'sleep', '4246');
  await until('it sleeps', 20, sleeping('4246'));
  left.type('\x10\x11');
  expect(await left.exit()).toBe(0);
  // What another one of later does shows that the daemon has seen the end of that call.
  expect(await machine.outcome('exec', 'host', 'true')).toMatchObject({ code: 0 });
  expect(await sleeping('4246')()).toBeDefined();
});

test('exec - pipes, exit codes, and what cannot be run', async () => {
  await machine.run('run', '-d', '--name', 'host', IMAGE, 'sleep', '1000');
  const cat = machine.start('exec', '-i', 'host', 'cat');
  cat.type('through');
  cat.child.stdin?.end();
  expect(await cat.exit()).toBe(0);
  expect(cat.out).toBe('through');
  expect(await machine.outcome('exec', 'host', 'sh', '-c', 'exit 4')).toMatchObject({ code: 4 });
  expect(await machine.outcome('exec', 'host', 'nope')).toMatchObject({ code: 127, stdout: '' });
  for (const detached of [[], ['-d']]) {
    const nowhere = await machine.outcome('exec', ...detached, '-w', '/nowhere', 'host', 'true');
    expect(nowhere).toMatchObject({ code: 126, stdout: '' });
    expect(nowhere.stderr).toContain('no such folder in the container: /nowhere');
  }
  expect(await machine.outcome('exec', '-d', 'host', 'nope')).toMatchObject({ code: 127 });
  expect(await machine.outcome('exec', 'nobody', 'true')).toMatchObject({ code: 1, stdout: '' });
  expect((await machine.outcome('exec', 'nobody', 'true')).stderr).toContain('No such container: nobody');
  await machine.run('exec', '-d', 'host', 'sh', '-c', 'echo done > /done');
  await expect.poll(async () => (await machine.outcome('exec', 'host', 'cat', '/done')).stdout).toBe('done\n');
});
