import { AsyncQueue, type Deferred, deferred } from './async.js';

interface Item<T> {
  readonly message: T;
  readonly taken: Deferred<boolean>;
}

/** Messages to be sent, by one reader, whose senders can wait until they are taken: what is to be sent does not pile up. */
export class Outbox<T> implements AsyncIterable<T> {
  readonly #queue = new AsyncQueue<Item<T>>();
  #closed = false;

  /** Resolves when whoever sends the messages asks for the next one: true, or false when nobody will. */
  send(message: T): Promise<boolean> {
    if (this.#closed) return Promise.resolve(false);
    const taken = deferred<boolean>();
    this.#queue.push({ message, taken });
    return taken.promise;
  }

  /** What was sent before is still taken. */
  end(): void {
    this.#closed = true;
    this.#queue.end();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    try {
      for await (const item of this.#queue) {
        let asked = false;
        try {
          yield item.message;
          asked = true;
        } finally {
          item.taken.resolve(asked);
        }
      }
    } finally {
      this.#closed = true;
      for (const { taken } of this.#queue.drain()) taken.resolve(false);
    }
  }
}
