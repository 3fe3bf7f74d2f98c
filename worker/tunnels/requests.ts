import { AsyncQueue } from '../../lib/async.js';
import { type TunnelAnswer as Answer, TunnelAnswer, type TunnelRequest } from '../../proto/gen/index.js';

/** As many are taken before the manager is told: half of what it may send ahead. */
const TOLD_AT = 4;

/** What an operator sends, as it comes in: read at all times, and no more than the manager may send ahead. */
export class Requests implements AsyncIterable<TunnelRequest> {
  readonly #queue = new AsyncQueue<TunnelRequest>();
  readonly #tell: (answer: Answer) => void;

  /** @param tell sends the manager that there is room again */
  constructor(tell: (answer: Answer) => void) {
    this.#tell = tell;
  }

  push(request: TunnelRequest): void {
    if (request.end) this.#queue.end();
    else this.#queue.push(request);
  }

  /** The operator has gone, or the way to it has broken. */
  fail(error: unknown): void {
    this.#queue.fail(error);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TunnelRequest> {
    let untold = 0;
    for await (const request of this.#queue) {
      yield request;
      if (++untold < TOLD_AT) continue;
      this.#tell(TunnelAnswer.create({ taken: untold }));
      untold = 0;
    }
  }
}
