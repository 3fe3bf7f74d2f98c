import type { Clock } from '../../lib/clock.js';
import { codeOf, SwarmError, unavailable } from '../../lib/errors.js';
import type { Channel } from '../../proto/rpc/client.js';
import type { NodeCredential } from '../../proto/rpc/credentials.js';
import { connectionBroke, wasAnswered } from '../../proto/rpc/errors.js';
import type { StandingSource } from '../leader-duties.js';
import type { Standing } from '../store/proposer.js';
import { LeaderLink } from './leader-link.js';
import { cutOff } from './relay.js';

export interface LeaderClientOptions {
  readonly source: StandingSource;
  readonly clock: Clock;
  /** By which this manager proves to the leader what it is. */
  readonly credential: NodeCredential;
  /** What the caller reads when nobody leads. */
  readonly noLeader: () => SwarmError;
}

/** What a call does. Exactly one of the two is done, once, unless it answers that nothing was done. */
export interface LeaderCall<T> {
  readonly here: () => Promise<T> | T;
  readonly there: (link: LeaderLink) => Promise<T>;
  /** Of the caller, where the leader must know it; this manager's own when left out. */
  readonly credential?: NodeCredential | undefined;
  /** Whose signal ends the waiting: looked at only when there is any, since making it has its price. */
  readonly caller: { readonly signal: AbortSignal };
  /** Doing it twice is as good as once. */
  readonly repeatable?: boolean;
}

export interface LeaderStream<T> {
  readonly here: () => AsyncIterable<T>;
  /** Ends without an error when the signal aborts. */
  readonly there: (channel: Channel, signal: AbortSignal) => AsyncIterable<T>;
  readonly caller: { readonly signal: AbortSignal };
}

/** A call that the leader has not answered. */
interface Wait {
  readonly leader: string;
  readonly reject: (error: unknown) => void;
}

/** Milliseconds in which a leader must be found: an election lasts less. */
const DEADLINE = 5_000;
/** Milliseconds before a leader that did not take the call is asked again. */
const PAUSE = 50;

/**
 * Takes calls to whoever leads: this manager, or the one that it believes to lead. While there is none,
 * or the one asked has just ceased to be it, it waits for the next; what may have been done is not
 * repeated.
 */
export class LeaderClient {
  readonly #options: LeaderClientOptions;
  readonly #waits = new Set<Wait>();
  readonly #unlisten: () => void;
  #link: LeaderLink | undefined;

  constructor(options: LeaderClientOptions) {
    this.#options = options;
    this.#unlisten = options.source.onStanding((standing) => this.#standingChanged(standing));
  }

  /**
   * @throws UNAVAILABLE when there is no leader
   * @throws UNKNOWN when the leader went away before it answered
   */
  async call<T>(call: LeaderCall<T>): Promise<T> {
    const { source, clock, noLeader } = this.#options;
    const deadline = clock.monotonic() + DEADLINE;
    for (let last: unknown; ; ) {
      const { leading, leader } = source.standing();
      try {
        if (leading) return await call.here();
        if (leader !== undefined) return await this.#ask(leader, call);
      } catch (error) {
        if (!isUndone(error, call.repeatable === true) || call.caller.signal.aborted) throw error;
        // Who does not even take the connection says nothing to a person.
        last = leading || !isTransports(error) ? error : undefined;
      }
      if (clock.monotonic() >= deadline) throw last ?? noLeader();
      await this.#pause(call.caller.signal);
    }
  }

  /** A stream of whoever leads when it begins. @throws UNAVAILABLE when that one leads no more */
  async *stream<T>({ here, there, caller }: LeaderStream<T>): AsyncIterable<T> {
    const link = await this.call({ here: () => undefined, there: (to) => Promise.resolve(to), caller });
    if (!link) return yield* here();
    const gone = new AbortController();
    const unlisten = this.#options.source.onStanding(({ leader }) => {
      if (leader !== link.address) gone.abort();
    });
    try {
      yield* there(link.channel, AbortSignal.any([caller.signal, gone.signal]));
    } finally {
      unlisten();
    }
    if (gone.signal.aborted && !caller.signal.aborted) {
      throw unavailable(`${link.address} does not lead the swarm any more`, { value: link.address });
    }
  }

  close(): void {
    this.#unlisten();
    this.#link?.close();
    this.#link = undefined;
  }

  async #ask<T>(leader: string, { there, credential, caller }: LeaderCall<T>): Promise<T> {
    const own = credential === undefined;
    const link = own ? this.#linkTo(leader) : new LeaderLink(leader, credential);
    try {
      return await this.#unlessDeposed(leader, there(link));
    } catch (error) {
      if (connectionBroke(error) && !caller.signal.aborted) throw cutOff(leader, error);
      throw error;
    } finally {
      if (!own) link.close();
    }
  }

  /** A leader that is frozen would not even say that it leads no more. */
  #unlessDeposed<T>(leader: string, answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const wait: Wait = { leader, reject };
      this.#waits.add(wait);
      answer.then(resolve, reject).finally(() => this.#waits.delete(wait));
    });
  }

  #standingChanged({ leader }: Standing): void {
    for (const wait of this.#waits) if (wait.leader !== leader) wait.reject(cutOff(wait.leader));
  }

  #linkTo(address: string): LeaderLink {
    if (this.#link?.address === address) return this.#link;
    this.#link?.close();
    this.#link = new LeaderLink(address, this.#options.credential);
    return this.#link;
  }

  /** Until the standing changes, or for a moment. */
  #pause(signal: AbortSignal): Promise<void> {
    const { source, clock } = this.#options;
    return new Promise((resolve) => {
      const end = () => {
        cancel();
        unlisten();
        signal.removeEventListener('abort', end);
        resolve();
      };
      const cancel = clock.after(PAUSE, end);
      const unlisten = source.onStanding(end);
      signal.addEventListener('abort', end, { once: true });
    });
  }
}

/** Whether these are the words of a connection that could not be made: they mean nothing to a person. */
function isTransports(error: unknown): boolean {
  return error instanceof SwarmError && error.cause !== undefined && !wasAnswered(error) && codeOf(error) !== 'UNKNOWN';
}

function isUndone(error: unknown, repeatable: boolean): boolean {
  const code = codeOf(error);
  return code === 'UNAVAILABLE' || (repeatable && code === 'UNKNOWN');
}
