import { AsyncQueue } from '../../lib/async.js';
import { messageOf, permissionDenied, SwarmError } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import {
  type LeaderRelayService,
  RelayAnswer,
  RelayAnswers,
  type RelayError,
  type RelayRequest,
  type RelayRequests,
} from '../../proto/gen/relay.js';
import { toRelayed } from '../../proto/rpc/relayed-error.js';
import type { CallContext, Handlers } from '../../proto/rpc/server.js';
import type { Method } from '../../proto/runtime.js';
import { inBatches } from './batches.js';

type AnyUnary = Method<unknown, unknown, false, false>;
type Handler = (request: unknown, context: CallContext) => Promise<unknown>;

interface Target {
  readonly method: AnyUnary;
  readonly handler: Handler;
}

export interface RelayServerOptions {
  readonly isManager: (context: CallContext) => boolean;
  readonly log: Logger;
}

/** The leader's end of relays: answers calls that came to other managers as it answers its own. */
export class RelayServer {
  readonly #options: RelayServerOptions;
  readonly #targets = new Map<string, Target>();

  readonly handlers: Handlers<typeof LeaderRelayService> = {
    relay: (batches, context) => this.#relay(batches, context),
  };

  constructor(options: RelayServerOptions) {
    this.#options = options;
  }

  /** Offers the unary methods of a service. */
  add<S extends object>(service: S, handlers: Handlers<S>): void {
    for (const [name, definition] of Object.entries(service)) {
      const method = definition as Method<unknown, unknown, boolean, boolean>;
      const handler = (handlers as Readonly<Record<string, Handler>>)[name];
      if (method.requestStream || method.responseStream || !handler) continue;
      this.#targets.set(method.path, { method: method as AnyUnary, handler });
    }
  }

  async *#relay(batches: AsyncIterable<RelayRequests>, context: CallContext): AsyncIterable<RelayAnswers> {
    if (!this.#options.isManager(context)) throw permissionDenied('only managers may ask this of another manager');
    const answers = new AsyncQueue<RelayAnswer>();
    const reading = this.#read(batches, context, answers);
    while (await answers.ready()) {
      // What is answered in the same turn, as by one log entry, goes together.
      await new Promise((resolve) => setImmediate(resolve));
      for (const batch of inBatches(answers.drain())) yield RelayAnswers.create({ answers: batch });
    }
    await reading;
  }

  async #read(
    batches: AsyncIterable<RelayRequests>,
    context: CallContext,
    answers: AsyncQueue<RelayAnswer>,
  ): Promise<void> {
    try {
      for await (const { requests } of batches) {
        for (const request of requests) void this.#answer(request, context).then((answer) => answers.push(answer));
      }
      answers.end();
    } catch (error) {
      answers.fail(error);
    }
  }

  async #answer({ id, path, message, requestId }: RelayRequest, context: CallContext): Promise<RelayAnswer> {
    try {
      const target = this.#targets.get(path);
      if (!target) throw new SwarmError('UNIMPLEMENTED', `this manager has no ${path}`, { value: path });
      const { method, handler } = target;
      const response = await handler(method.request.decode(message), new RelayedCall(context, requestId));
      return RelayAnswer.create({ id, message: method.response.encode(response) });
    } catch (error) {
      return RelayAnswer.create({ id, error: this.#errorOf(path, error) });
    }
  }

  #errorOf(path: string, error: unknown): RelayError {
    if (!(error instanceof SwarmError))
      this.#options.log.error({ rpc: path, err: error }, `call failed: ${messageOf(error)}`);
    return toRelayed(error);
  }
}

/** One call of those that come on a relay's stream. */
class RelayedCall implements CallContext {
  readonly #stream: CallContext;
  readonly #requestId: string;

  constructor(stream: CallContext, requestId: string) {
    this.#stream = stream;
    this.#requestId = requestId;
  }

  get signal(): AbortSignal {
    return this.#stream.signal;
  }

  get peer(): string {
    return this.#stream.peer;
  }

  get credential(): CallContext['credential'] {
    return this.#stream.credential;
  }

  get requestId(): string {
    return this.#requestId;
  }
}
