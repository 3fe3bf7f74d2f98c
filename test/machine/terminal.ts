import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { BINARY, execute } from '../../demo/cli.js';
import { Running } from './machine.js';

let terminals = 0;

export interface TerminalPlace {
  /** For a file that says which terminal it is. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
}

/** A terminal of 33 lines and 101 columns that `tsswarm …` runs in, as somebody types it; its settings are printed after it. */
export class Terminal extends Running {
  readonly #file: string;

  constructor({ folder, env }: TerminalPlace, ...args: readonly string[]) {
    const file = path.join(folder, `tty${++terminals}`);
    const command = `sh -c 'echo $$ >> ${file}; exec ${BINARY} ${args.join(' ')}'`;
    const session = `stty rows 33 cols 101; tty > ${file}; ${command}; code=$?; stty -a; exit $code`;
    super(spawn('script', ['-qefc', session, '/dev/null'], { env: { ...process.env, ...env } }));
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
