import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { BINARY, execute } from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import { IMAGE, Running, useMachine } from './machine.js';

const machine = useMachine();
let terminals = 0;

/** A terminal of 33 lines and 101 columns that a command runs in, as somebody types it; its settings are printed after it. */
class Terminal extends Running {
  readonly #file: string;

  constructor(...args: readonly string[]) {
    const file = `${machine.folder}/tty${++terminals}`;
    const command = `sh -c 'echo $$ >> ${file}; exec ${BINARY} ${args.join(' ')}'`;
    const session = `stty rows 33 cols 101; tty > ${file}; ${command}; code=$?; stty -a; exit $code`;
    super(spawn('script', ['-qefc', session, '/dev/null'], { env: { ...process.env, ...machine.env } }));
    this.#file = file;
  }

  async stty(...args: readonly string[]): Promise<string> {
    return (await execute('stty', ['-F', await this.#line(0), ...args])).stdout;
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    process.kill(Number(await this.#line(1)), signal);
  }

  async #line(index: number): Promise<string> {
    const lines = await readFile(this.#file, 'utf8').catch(() => '');
    return lines.split('\n')[index] ?? '';
  }
}

test('run -it - a shell with the size of the window, its changes, and keys as they are', async () => {
  const shell = new Terminal('run', '-it', '--rm', IMAGE, 'sh');
  await shell.prints('#');
  expect(await shell.stty('-a')).toMatch(/-isig -icanon .*-echo /s);
  shell.type('stty size\r');
  await shell.prints('33 101');
  await shell.stty('rows', '40', 'cols', '120');
  // The new size takes a moment to arrive: the shell is asked until it knows it.
  shell.type('until [ "$(stty size)" = "40 120" ]; do :; done; echo re"sized"\r');
  await shell.prints('resized');
  shell.type('sleep 100; echo rc=$?\r');
  await shell.prints('sleep 100');
  // Ctrl-C is for the program in the container, once it runs.
  shell.type('\x03');
  shell.type('echo al"ive"\r');
  await shell.prints('alive');
  shell.type('exit 5\r');
  expect(await shell.exit()).toBe(5);
});

test('detach keys - leave the container running, attach comes back to it', async () => {
  const shell = new Terminal('run', '-it', '--name', 'kept', IMAGE, 'sh');
  await shell.prints('#');
  shell.type('A=hel"lo"\r\x10\x11');
  expect(await shell.exit()).toBe(0);
  expect((await machine.inspect('kept')).State.Status).toBe('running');
  const again = new Terminal('attach', '--detach-keys', 'ctrl-x,x', 'kept');
  await until('it is attached', 20, async () => (await again.stty('-a')).includes('-icanon') || undefined);
  again.type('echo $A\r');
  await again.prints('hello');
  again.type('\x18x');
  expect(await again.exit()).toBe(0);
});

test.each(['SIGTERM', 'SIGHUP'] as const)('%s - puts the terminal back first', async (signal) => {
  const shell = new Terminal('run', '-it', '--rm', IMAGE, 'sh');
  await shell.prints('#');
  expect(await shell.stty('-a')).toContain('-icanon');
  await shell.kill(signal);
  expect(await shell.exit()).toBe(128 + constants.signals[signal]);
  expect(shell.out).toMatch(/^opost .*^isig icanon iexten echo /ms);
});

test('exec -it - a terminal of its own, and the exit code', async () => {
  await machine.run('run', '-d', '--name', 'host', IMAGE, 'sleep', '1000');
  const shell = new Terminal('exec', '-it', '-e', 'A=x', '-w', '/tmp', 'host', 'sh');
  await shell.prints('#');
  shell.type('stty size; pwd; echo "<$A>"; tty; exit 3\r');
  await shell.prints('33 101');
  await shell.prints('/tmp');
  await shell.prints('<x>');
  await shell.prints('/dev/pts/');
  expect(await shell.exit()).toBe(3);
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
  expect(await machine.outcome('exec', 'nobody', 'true')).toMatchObject({ code: 1, stdout: '' });
  expect((await machine.outcome('exec', 'nobody', 'true')).stderr).toContain('No such container: nobody');
  await machine.run('exec', '-d', 'host', 'sh', '-c', 'echo done > /done');
  await expect.poll(async () => (await machine.outcome('exec', 'host', 'cat', '/done')).stdout).toBe('done\n');
});
