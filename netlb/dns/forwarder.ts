import type { NetNamespace } from '../kernel/namespace.js';
import { attempt, rcodeOf } from './attempt.js';
import { rcodes } from './query.js';
import type { Transport } from './reply.js';
import type { ServerOrder } from './servers.js';

/** Milliseconds for a query, whatever the number of servers: clients ask again after 5 seconds. */
export const BUDGET = 4000;
/** Queries that wait for answers of elsewhere, of all sandboxes. */
export const MAX_IN_FLIGHT = 1024;
/** A server that is the only one is asked again, for packets get lost. */
const MIN_ATTEMPTS = 2;

/** Whom to ask. */
export interface Upstream {
  /** Whence. */
  readonly namespace: NetNamespace;
  readonly servers: readonly string[];
  readonly order: ServerOrder;
}

export interface ForwardedQuery {
  /** A copy of its own. */
  readonly message: Buffer;
  readonly questionEnd: number;
  readonly transport: Transport;
  /** Called once, on a later turn, with the answer; undefined when none came. */
  onEnd(answer: Buffer | undefined): void;
}

/** Asks others, many queries at a time, none of which waits for another. */
export class Forwarder {
  #inFlight = 0;

  /** @returns cancels it; undefined when too many are in flight: nothing was asked and nothing will be called */
  forward(query: ForwardedQuery, upstream: Upstream): (() => void) | undefined {
    if (this.#inFlight >= MAX_IN_FLIGHT) return undefined;
    this.#inFlight++;
    const exchange = new Exchange(query, upstream, () => this.#inFlight--);
    return () => exchange.cancel();
  }
}

/**
 * A query and its attempts, one server after another. When a server fails, the next is asked at once; when it is
 * silent, after its part of the time, and it may still answer until the time is over.
 */
class Exchange {
  readonly #query: ForwardedQuery;
  readonly #upstream: Upstream;
  readonly #over: () => void;
  readonly #left: string[];
  readonly #patience: number;
  /** Attempts that may still be answered, and how to cancel them. */
  readonly #open = new Map<number, () => void>();
  #attempts = 0;
  /** An answer that another server may better. */
  #second: Buffer | undefined;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(query: ForwardedQuery, upstream: Upstream, over: () => void) {
    this.#query = query;
    this.#upstream = upstream;
    this.#over = over;
    const servers = upstream.order.order(upstream.servers, Date.now());
    this.#left = servers.length === 1 ? Array<string>(MIN_ATTEMPTS).fill(servers[0] ?? '') : [...servers];
    this.#patience = BUDGET / Math.max(this.#left.length, 1);
    this.#next();
  }

  cancel(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    for (const stop of this.#open.values()) stop();
    this.#over();
  }

  #end(answer: Buffer | undefined): void {
    if (this.#ended) return;
    this.cancel();
    this.#query.onEnd(answer);
  }

  #next(): void {
    clearTimeout(this.#timer);
    const server = this.#left.shift();
    if (server === undefined) {
      // There is no server at all.
      this.#timer = setTimeout(() => this.#end(undefined), 0);
      return;
    }
    const { namespace, order } = this.#upstream;
    const { message: query, questionEnd, transport } = this.#query;
    const number = this.#attempts++;
    const cancel = attempt({
      namespace,
      server,
      transport,
      query,
      questionEnd,
      onAnswer: (answer) => this.#answered(number, server, answer),
      onFailure: () => {
        order.failed(server, Date.now());
        this.#failed(number);
      },
    });
    this.#open.set(number, cancel);
    this.#timer = setTimeout(() => {
      order.failed(server, Date.now());
      if (this.#left.length > 0) this.#next();
      else this.#end(this.#second);
    }, this.#patience);
  }

  #answered(number: number, server: string, answer: Buffer): void {
    this.#upstream.order.answered(server);
    const rcode = rcodeOf(answer);
    if (rcode !== rcodes.SERVFAIL && rcode !== rcodes.REFUSED) {
      this.#end(answer);
      return;
    }
    this.#second = answer;
    while (this.#left[0] === server) this.#left.shift();
    this.#failed(number);
  }

  /** An attempt is over without a good answer. */
  #failed(number: number): void {
    this.#open.delete(number);
    if (this.#left.length > 0) this.#next();
    else if (this.#open.size === 0) this.#end(this.#second);
  }
}
