import { AsyncQueue, type Deferred, deferred } from '../../lib/async.js';

/** Messages to be sent, whose senders can wait until they are taken: input does not pile up. */
export class Outbox<T> implements AsyncIterable<T> {
  readonly #queue = new AsyncQueue<{ readonly message: T; readonly taken: Deferred<void> }>();

  /** Resolves when whoever sends the messages asks for the next one. */
  send(message: T): Promise<void> {
    const taken = deferred<void>();
    this.#queue.push({ message, taken });
    return taken.promise;
  }

  end(): void {
    this.#queue.end();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    for await (const { message, taken } of this.#queue) {
      yield message;
      taken.resolve();
    }
  }
}
