import { EventEmitter } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { PoolOptions, PoolRunnerInitializer, PoolWorker, WorkerRequest, WorkerResponse } from 'vitest/node';
import { type Ground, type Program, prepareGround, runHere, runInMachine } from './machine.js';
import { frame, Unframer } from './wire.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** The machine is switched off after this time, whatever it does: a test that hangs there fails. */
const LIMIT_MS = 15 * 60_000;

/** How much longer things may take there (test/kernel/pace.ts). */
const PACE = '5';

/** Runs test files with all that they import in a virtual machine, or here when this kernel has all it takes. */
export const vmPool: PoolRunnerInitializer = {
  name: 'vm',
  createPoolWorker: (options) => new Guest(options),
};

class Guest implements PoolWorker {
  readonly name = 'vm';
  readonly #options: PoolOptions;
  readonly #events = new EventEmitter();
  #program: Promise<Program> | undefined;
  /** When the worker has said so. */
  readonly #started: Promise<void>;
  #start: () => void = () => undefined;
  #skipping = false;
  #stopping = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#started = new Promise((resolve) => {
      this.#start = resolve;
    });
  }

  on(event: string, callback: (arg: unknown) => void): void {
    this.#events.on(event, callback);
  }

  off(event: string, callback: (arg: unknown) => void): void {
    this.#events.off(event, callback);
  }

  deserialize(data: unknown): unknown {
    return data;
  }

  async start(): Promise<void> {
    this.#program = this.#begin();
    this.#program.catch((error: unknown) => this.#events.emit('error', error));
  }

  send(message: WorkerRequest): void {
    this.#program?.then(
      async ({ input }) => {
        if (message.type !== 'start') await this.#started;
        input.write(frame(this.#skipping ? withoutTests(message) : message));
      },
      () => undefined, // told by start()
    );
    // A machine that is emulated may take longer than the minute that vitest gives a worker to start.
    if (message.type === 'start')
      setImmediate(() => this.#events.emit('message', { type: 'started', __vitest_worker_response__: true }));
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await (await this.#program)?.kill();
  }

  async #begin(): Promise<Program> {
    const ground = await prepareGround(root);
    const { project } = this.#options;
    if (ground.kind === 'none') {
      this.#skipping = true;
      project.vitest.logger.error(
        `\nskipped: all tests of the project vm, which need a full kernel: ${ground.reason}\n`,
      );
    }
    const program = this.#run(ground);
    let why = 'ended too early';
    const limit = setTimeout(() => {
      why = `was ended, since it had run for ${LIMIT_MS / 60_000} minutes`;
      void program.kill();
    }, LIMIT_MS);
    const unframer = new Unframer();
    program.output.on('data', (piece: Buffer) => {
      for (const message of unframer.push(piece)) this.#receive(message);
    });
    program.input.on('error', () => undefined); // it has ended, which is told below
    void program.ended.then((words) => {
      clearTimeout(limit);
      if (!this.#stopping) this.#events.emit('error', new Error(`the tests' process ${why}:\n${words}`));
    });
    return program;
  }

  #run(ground: Ground): Program {
    const { project, env, execArgv } = this.#options;
    const guest = `${project.getProvidedContext().programs}/guest.js`;
    const command = [process.execPath, ...execArgv, guest] as const;
    if (ground.kind !== 'machine') return runHere({ command, cwd: root, env });
    return runInMachine(ground.folder, { command, cwd: root, env: { ...env, TSSWARM_TEST_PACE: PACE } });
  }

  #receive(message: unknown): void {
    const response = message as Partial<WorkerResponse>;
    if (response.__vitest_worker_response__ && response.type === 'started') {
      if (response.error) this.#events.emit('error', response.error);
      this.#start();
    } else this.#events.emit('message', message);
  }
}

/** The same files, all of whose tests count as skipped. */
function withoutTests(message: WorkerRequest): WorkerRequest {
  if (message.type !== 'run') return message;
  const files = message.context.files.map((file) => ({ ...file, testIds: [] }));
  return { ...message, context: { ...message.context, files } };
}
