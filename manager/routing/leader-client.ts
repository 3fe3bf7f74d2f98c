import type { Clock } from '../../lib/clock.js';
import { codeOf, SwarmError } from '../../lib/errors.js';
import { Channel } from '../../proto/rpc/client.js';
import type { NodeCredential } from '../../proto/rpc/credentials.js';
import { connectionBroke, wasAnswered } from '../../proto/rpc/errors.js';
import type { StandingSource } from '../leader-duties.js';

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
  readonly there: (channel: Channel, signal: AbortSignal) => Promise<T>;
  /** Of the caller, where the leader must know it; this manager's own when left out. */
  readonly credential?: NodeCredential | undefined;
  readonly signal: AbortSignal;
  /** Doing it twice is as good as once. */
  readonly repeatable?: boolean;
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
  #channel: { readonly address: string; readonly channel: Channel } | undefined;

  constructor(options: LeaderClientOptions) {
    this.#options = options;
  }

  /**
   * @throws UNAVAILABLE when there is no leader
   * @throws UNKNOWN when the leader went away before it answered
   */
  async call<T>(call: LeaderCall<T>): Promise<T> {
    const { source, clock, noLeader } = this.#options;
    const deadline = clock.now() + DEADLINE;
    for (let last: unknown; ; ) {
      const { leading, leader } = source.standing();
      try {
        if (leading) return await call.here();
        if (leader !== undefined) return await this.#ask(leader, call);
      } catch (error) {
        if (!isUndone(error, call.repeatable === true) || call.signal.aborted) throw error;
        // Who does not even take the connection says nothing to a person.
        last = leading || wasAnswered(error) || codeOf(error) === 'UNKNOWN' ? error : undefined;
      }
      if (clock.now() >= deadline) throw last ?? noLeader();
      await this.#pause(call.signal);
    }
  }

  /** Resolves with the leader's channel, or undefined when this manager leads. @throws UNAVAILABLE */
  channel(signal: AbortSignal): Promise<Channel | undefined> {
    return this.call({ here: () => undefined, there: (channel) => Promise.resolve(channel), signal });
  }

  close(): void {
    this.#channel?.channel.close();
    this.#channel = undefined;
  }

  async #ask<T>(leader: string, { there, credential, signal }: LeaderCall<T>): Promise<T> {
    const own = credential === undefined;
    const channel = own ? this.#channelTo(leader) : new Channel(leader, credential);
    const gone = new AbortController();
    // A leader that is frozen would not even say that it leads no more.
    const unlisten = this.#options.source.onStanding((standing) => {
      if (standing.leader !== leader) gone.abort();
    });
    try {
      return await there(channel, AbortSignal.any([signal, gone.signal]));
    } catch (error) {
      if (!signal.aborted && (gone.signal.aborted || connectionBroke(error))) throw cutOff(leader, error);
      throw error;
    } finally {
      unlisten();
      if (!own) channel.close();
    }
  }

  #channelTo(address: string): Channel {
    if (this.#channel?.address === address) return this.#channel.channel;
    this.close();
    this.#channel = { address, channel: new Channel(address, this.#options.credential) };
    return this.#channel.channel;
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

function isUndone(error: unknown, repeatable: boolean): boolean {
  const code = codeOf(error);
  return code === 'UNAVAILABLE' || (repeatable && code === 'UNKNOWN');
}

function cutOff(leader: string, cause: unknown): SwarmError {
  return new SwarmError('UNKNOWN', `the leader ${leader} went away before it answered: the change may have been made`, {
    value: leader,
    hint: 'Look at the object again before you repeat the command.',
    cause,
  });
}
