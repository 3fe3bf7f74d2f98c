import { deferred, takeUntil } from '../../lib/async.js';
import { Credit } from '../../lib/credit.js';
import { SwarmError } from '../../lib/errors.js';
import { newId } from '../../lib/ids.js';
import { type Node, type TunnelAnswer, TunnelRequest } from '../../proto/gen/index.js';
import { fromRelayed } from '../../proto/rpc/relayed-error.js';

/** Messages that may be on their way to the node: as proto/tunnels.proto says. */
const WINDOW = 8;

/**
 * An operator's call and a node's, joined. Nothing is kept here: the operator is read when the node has room, the node
 * is read when the operator has. It ends when either side does, and each side hears why.
 */
export class Tunnel {
  /** By which the node shows that it was told to come: about 128 random bits. */
  readonly id = newId();
  readonly node: Node;
  readonly #requests: AsyncIterator<TunnelRequest>;
  readonly #credit = new Credit(WINDOW);
  readonly #joined = deferred<AsyncIterator<TunnelAnswer>>();
  readonly #closed = new AbortController();
  /** The node has said so. */
  #ended = false;

  /** @param requests what the operator sends */
  constructor(node: Node, requests: AsyncIterator<TunnelRequest>) {
    this.node = node;
    this.#requests = requests;
    // Unless somebody waits for it.
    this.#joined.promise.catch(() => undefined);
  }

  /** Resolves when the node's end is there. @throws what `fail` was given */
  async joined(): Promise<void> {
    await this.#joined.promise;
  }

  /** The node will not come. Without effect when it has. */
  fail(error: unknown): void {
    this.#joined.reject(error);
  }

  /** The operator's end is no more. */
  close(): void {
    this.#closed.abort();
  }

  /**
   * The node's end: what it is sent, while it sends `answers`.
   * @throws CANCELLED when the operator has gone before the node has said `end`
   */
  async *serve(answers: AsyncIterator<TunnelAnswer>): AsyncGenerator<TunnelRequest> {
    const { signal } = this.#closed;
    this.#joined.resolve(answers);
    for await (const request of takeUntil(this.#requests, signal)) {
      if (!(await this.#credit.take(signal))) break;
      yield request;
    }
    if (!signal.aborted) {
      yield TunnelRequest.create({ end: true });
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    if (!this.#ended) throw new SwarmError('CANCELLED', 'the operator has gone');
  }

  /**
   * The operator's end: what the node answers. Ends quietly when it is closed.
   * @throws the node's error, or what `cut` makes when the node went away in the middle
   */
  async *answers(cut: (cause?: unknown) => SwarmError): AsyncGenerator<TunnelAnswer> {
    const { signal } = this.#closed;
    const answers = takeUntil(await this.#joined.promise, signal);
    for (;;) {
      const next = await answers.next().catch((error: unknown) => {
        throw cut(error);
      });
      if (next.done) break;
      const { taken, end } = next.value;
      if (end) {
        this.#ended = true;
        if (end.error) throw fromRelayed(end.error);
        return;
      }
      if (taken !== undefined) this.#credit.give(taken);
      else yield next.value;
    }
    if (!signal.aborted) throw cut();
  }
}
