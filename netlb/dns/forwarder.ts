import type { NetNamespace } from '../kernel/namespace.js';
import { attempt, rcodeOf } from './attempt.js';
import { rcodes } from './query.js';
import type { Transport } from './reply.js';
import type { ServerOrder } from './servers.js';

/** Milliseconds for a query, whatever the number of servers: clients ask again after 5 seconds. */
const BUDGET = 4000;
/** Queries that wait for answers of elsewhere, of all sandboxes. */
const MAX_IN_FLIGHT = 1024;
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
  /** Called once, later, with the answer; undefined when none came. */
  onEnd(answer: Buffer | undefined): void;
}

/**
 * Asks others, many queries at a time, none of which waits for another. When there are too many, it is at the cost of
 * the client that has the most: one whose servers are dead does not take the others' away.
 */
export class Forwarder {
  /** By client, the oldest first. */
  readonly #exchanges = new Map<object, Set<Exchange>>();
  #count = 0;

  /**
   * @param client whoever asks; what it has asked can be cancelled together
   * @returns false when too many of its own are in flight: nothing was asked and nothing will be called
   */
  forward(client: object, query: ForwardedQuery, upstream: Upstream): boolean {
    if (this.#count >= MAX_IN_FLIGHT && !this.#makeRoom(client)) return false;
    const own = this.#exchanges.get(client) ?? new Set();
    this.#exchanges.set(client, own);
    const exchange: Exchange = new Exchange(query, upstream, () => {
      own.delete(exchange);
      if (own.size === 0) this.#exchanges.delete(client);
      this.#count--;
    });
    own.add(exchange);
    this.#count++;
    return true;
  }

  cancel(client: object): void {
    for (const exchange of [...(this.#exchanges.get(client) ?? [])]) exchange.cancel();
  }

  /** The oldest query of the client that has the most gets no answer. */
  #makeRoom(client: object): boolean {
    let most: Set<Exchange> | undefined;
    for (const set of this.#exchanges.values()) if (set.size > (most?.size ?? 0)) most = set;
    if (!most || most.size <= (this.#exchanges.get(client)?.size ?? 0)) return false;
    for (const oldest of most) {
      oldest.giveUp();
      break;
    }
    return true;
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
    const servers = upstream.order.order(upstream.servers, performance.now());
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

  giveUp(): void {
    this.#end(this.#second);
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
        order.failed(server, performance.now());
        this.#failed(number);
      },
    });
    this.#open.set(number, cancel);
    this.#timer = setTimeout(() => {
      order.failed(server, performance.now());
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
