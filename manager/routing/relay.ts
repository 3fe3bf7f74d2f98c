import { AsyncQueue, type Deferred, deferred } from '../../lib/async.js';
import { resourceExhausted, SwarmError, unavailable } from '../../lib/errors.js';
import { LeaderRelayService, type RelayAnswer, type RelayRequest, RelayRequests } from '../../proto/gen/relay.js';
import type { Channel } from '../../proto/rpc/client.js';
import { connectionBroke } from '../../proto/rpc/errors.js';
import { fromRelayed } from '../../proto/rpc/relayed-error.js';
import type { Method } from '../../proto/runtime.js';
import { inBatches } from './batches.js';

/** Bytes of one request: with what goes around it, still within what a connection takes (proto/rpc/client.ts). */
const MAX_REQUEST_BYTES = (64 << 20) - 4096;

type Unary<Req, Res> = Method<Req, Res, false, false>;

/** Calls to one leader, all on one stream. What is asked in one turn of the event loop travels together. */
export class Relay {
  readonly #leader: string;
  readonly #batches = new AsyncQueue<RelayRequests>();
  readonly #waiting = new Map<number, Deferred<Uint8Array>>();
  readonly #ending = new AbortController();
  #next: RelayRequest[] = [];
  #count = 0;
  #ended: SwarmError | undefined;

  /** @param leader host:port, for people */
  constructor(channel: Channel, leader: string) {
    this.#leader = leader;
    void this.#run(channel);
  }

  /** Whether it takes calls: when not, another one is to be opened. */
  get open(): boolean {
    return this.#ended === undefined;
  }

  /**
   * @throws what the leader answers
   * @throws UNAVAILABLE when the call did not reach it, UNKNOWN when it went away before it answered
   * @throws RESOURCE_EXHAUSTED for a request that no message can hold
   */
  async call<Req, Res>({ path, request, response }: Unary<Req, Res>, message: Req, requestId = ''): Promise<Res> {
    if (this.#ended) throw unavailable(`the connection to the leader ${this.#leader} has ended`);
    const encoded = request.encode(message);
    if (encoded.length > MAX_REQUEST_BYTES) throw tooLarge(path, encoded.length);
    const done = deferred<Uint8Array>();
    const id = ++this.#count;
    this.#waiting.set(id, done);
    if (this.#next.push({ id, path, message: encoded, requestId }) === 1) setImmediate(() => this.#flush());
    return response.decode(await done.promise);
  }

  /** Fails what is not answered: the leader may have done it. */
  close(): void {
    this.#end(this.#cutOff());
  }

  #flush(): void {
    for (const requests of inBatches(this.#next)) this.#batches.push(RelayRequests.create({ requests }));
    this.#next = [];
  }

  async #run(channel: Channel): Promise<void> {
    try {
      const { relay } = channel.stubs(LeaderRelayService);
      for await (const { answers } of relay(this.#batches, { signal: this.#ending.signal })) {
        for (const answer of answers) this.#answered(answer);
      }
      this.#end(this.#cutOff());
    } catch (error) {
      const failure = error instanceof SwarmError ? error : unavailable(String(error), { cause: error });
      this.#end(connectionBroke(failure) ? this.#cutOff(failure) : failure);
    }
  }

  #answered({ id, message, error }: RelayAnswer): void {
    const done = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error) done?.reject(fromRelayed(error));
    else done?.resolve(message);
  }

  #end(error: SwarmError): void {
    if (this.#ended) return;
    this.#ended = error;
    this.#ending.abort();
    this.#batches.end();
    for (const done of this.#waiting.values()) done.reject(error);
    this.#waiting.clear();
  }

  #cutOff(cause?: unknown): SwarmError {
    return cutOff(this.#leader, cause);
  }
}

/** What is thrown for a call whose answer will not come. */
export function cutOff(leader: string, cause?: unknown): SwarmError {
  return new SwarmError('UNKNOWN', `the leader ${leader} went away before it answered: the change may have been made`, {
    value: leader,
    hint: 'Look at the object again before you repeat the command.',
    cause,
  });
}

function tooLarge(path: string, bytes: number): SwarmError {
  return resourceExhausted(
    `a request of ${bytes} bytes is too large for ${path}: the limit is ${MAX_REQUEST_BYTES} bytes`,
    {
      value: String(bytes),
    },
  );
}
