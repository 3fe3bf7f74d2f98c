import { AsyncQueue } from '../../lib/async.js';

/** What happens to a node's connection, for whoever has something to say to it. */
export interface ConnectionEvents {
  /** It can be sent to. */
  connected(): void;
  /** It cannot any more: its stream has ended, and no newer one has taken its place. */
  lost(): void;
}

/** Streams that nodes hold open with the leading manager, one each, for what it has to say to them. */
export class NodeQueues<T> {
  readonly #queues = new Map<string, AsyncQueue<T>>();

  /** @returns whether the node is connected, so that it was sent */
  send(nodeId: string, item: T): boolean {
    const queue = this.#queues.get(nodeId);
    queue?.push(item);
    return queue !== undefined;
  }

  /** What is sent to a node, until the signal aborts or the node opens a newer stream. */
  async *serve(nodeId: string, signal: AbortSignal, events: ConnectionEvents): AsyncGenerator<T> {
    const queue = new AsyncQueue<T>();
    this.#queues.get(nodeId)?.end();
    this.#queues.set(nodeId, queue);
    const end = () => queue.end();
    signal.addEventListener('abort', end, { once: true });
    events.connected();
    try {
      yield* queue;
    } finally {
      signal.removeEventListener('abort', end);
      if (this.#queues.get(nodeId) === queue) {
        this.#queues.delete(nodeId);
        events.lost();
      }
    }
  }
}
