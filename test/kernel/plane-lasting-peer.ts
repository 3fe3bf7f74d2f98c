import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, constants, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { errnoOf } from '../../lib/errors.js';

const LIMIT_MS = 240_000;
const POLL_MS = 5;
const PIECE = 64 << 10;

/**
 * A plane-peer process that stays in its namespace and does one thing after another, for where it takes seconds to
 * start one. Tests wait for it without letting anything else run, as for a command: so through named pipes.
 */
export class LastingPeer {
  readonly child: ChildProcess;
  readonly #answers: number;
  readonly #requests: number;
  readonly #piece = Buffer.alloc(PIECE);
  readonly #sleeper = new Int32Array(new SharedArrayBuffer(4));

  /** @param command starts the peer in its mode "lasting"; its first two descriptors are requests and answers */
  constructor(directory: string, [program, ...args]: readonly [string, ...string[]]) {
    const [requests, answers] = [`${directory}-requests`, `${directory}-answers`];
    execFileSync('mkfifo', [requests, answers]);
    this.#answers = openSync(answers, constants.O_RDONLY | constants.O_NONBLOCK);
    const output = openSync(answers, constants.O_WRONLY);
    const input = openSync(requests, constants.O_RDWR);
    this.child = spawn(program, args, { stdio: [input, output, 'inherit'] });
    this.#requests = openSync(requests, constants.O_WRONLY);
    for (const fd of [input, output]) closeSync(fd);
    for (const file of [requests, answers]) rmSync(file);
  }

  /** What the peer prints for these arguments. @throws when it says nothing for minutes, or has ended */
  ask(args: readonly string[]): string[] {
    writeSync(this.#requests, `${JSON.stringify(args)}\n`);
    const deadline = Date.now() + LIMIT_MS;
    let text = '';
    while (!text.endsWith('\n')) {
      text += this.#read();
      if (Date.now() > deadline) throw new Error(`the peer did not answer to ${args.join(' ')} in ${LIMIT_MS} ms`);
    }
    return JSON.parse(text) as string[];
  }

  close(): void {
    this.child.kill('SIGKILL');
    closeSync(this.#requests);
    closeSync(this.#answers);
  }

  #read(): string {
    try {
      const size = readSync(this.#answers, this.#piece);
      if (size === 0) throw new Error(`the peer has ended (pid ${this.child.pid})`);
      return this.#piece.toString('utf8', 0, size);
    } catch (error) {
      if (errnoOf(error) !== 'EAGAIN') throw error;
      Atomics.wait(this.#sleeper, 0, 0, POLL_MS);
      return '';
    }
  }
}
