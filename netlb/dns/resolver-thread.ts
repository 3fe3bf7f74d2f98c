import { Worker } from 'node:worker_threads';
import { type Deferred, deferred } from '../../lib/async.js';
import { unavailable } from '../../lib/errors.js';
import type { Command, Done, Request, ThreadData } from './protocol.js';
// Named here so that it is compiled with what starts it.
import type {} from './thread.js';

/** The thread that resolvers run in, seen from outside. It does not keep the process alive. */
export class ResolverThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Deferred<Done['failures']>>();
  #sequence = 0;
  #end: Error | undefined;

  /** @param onEnd called once, with the reason, when the thread has ended though nobody asked for it */
  constructor(workerData: ThreadData, onEnd: (reason: Error) => void) {
    this.#worker = new Worker(new URL('./thread.js', import.meta.url), { name: 'resolver', workerData });
    this.#worker.unref();
    this.#worker.on('message', ({ sequence, failures }: Done) => {
      this.#waiting.get(sequence)?.resolve(failures);
      this.#waiting.delete(sequence);
      if (this.#waiting.size === 0) this.#worker.unref();
    });
    const lost = (reason: Error) => {
      if (this.#end) return;
      onEnd(reason);
      this.#stop(reason);
    };
    this.#worker.on('error', (error) =>
      lost(unavailable(`the resolvers' thread has failed: ${error.message}`, { cause: error })),
    );
    this.#worker.on('exit', (code) => lost(unavailable(`the resolvers' thread has ended with code ${code}`)));
  }

  /**
   * Resolves when all is done.
   * @returns what could not be done for single sandboxes
   * @throws UNAVAILABLE when the thread ends before, or has ended: whatever it had is gone
   */
  do(commands: readonly Command[]): Promise<Done['failures']> {
    if (this.#end) return Promise.reject(this.#end);
    const sequence = ++this.#sequence;
    const done = deferred<Done['failures']>();
    this.#waiting.set(sequence, done);
    this.#worker.ref();
    this.#worker.postMessage({ sequence, commands } satisfies Request);
    return done.promise;
  }

  async close(): Promise<void> {
    this.#stop(unavailable('the resolvers are closed'));
    await this.#worker.terminate();
  }

  #stop(reason: Error): void {
    this.#end = reason;
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
  }
}
