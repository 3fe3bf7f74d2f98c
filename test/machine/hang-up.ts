import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync } from 'node:fs';
import koffi from 'koffi';
import { BINARY } from '../../demo/cli.js';

const libc = koffi.load(null);
const unlockpt: (master: number) => number = libc.func('int unlockpt(int master)');
const ptsname: (master: number) => string = libc.func('const char *ptsname(int master)');

/**
 * Runs `tsswarm …` in a terminal that is closed, as its window is, when `ready`, which is given its file, says so. (script(1) cannot: what it runs
 * keeps the terminal's other end open.)
 * @returns what ended the command
 */
export async function hangUp(
  env: Readonly<Record<string, string>>,
  args: readonly string[],
  ready: (terminal: string) => Promise<void>,
): Promise<NodeJS.Signals | number> {
  const master = openSync('/dev/ptmx', constants.O_RDWR | constants.O_NOCTTY);
  try {
    unlockpt(master);
    const terminal = ptsname(master);
    const slave = openSync(terminal, constants.O_RDWR | constants.O_NOCTTY);
    const child = spawn('setsid', ['--ctty', BINARY, ...args], {
      env: { ...process.env, ...env },
      stdio: [slave, slave, slave],
    });
    closeSync(slave);
    await ready(terminal);
    const exit = once(child, 'exit');
    closeSync(master);
    const [code, signal] = await exit;
    return signal ?? code;
  } catch (error) {
    closeSync(master);
    throw error;
  }
}
