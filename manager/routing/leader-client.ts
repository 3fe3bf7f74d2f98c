import type { Clock } from '../../lib/clock.js';
import { codeOf, SwarmError } from '../../lib/errors.js';
import { Channel } from '../../proto/rpc/client.js';
import type { NodeCredential } from '../../proto/rpc/credentials.js';
import { connectionBroke, wasAnswered } from '../../proto/rpc/errors.js';
import type { StandingSource } from '../leader-duties.js';
import type { Standing } from '../store/proposer.js';

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
  readonly there: (channel: Channel) => Promise<T>;
  /** Of the caller, where the leader must know it; this manager's own when left out. */
  readonly credential?: NodeCredential | undefined;
  /** Whose signal ends the waiting: looked at only when there is any, since making it has its price. */
  readonly caller: { readonly signal: AbortSignal };
  /** Doing it twice is as good as once. */
  readonly repeatable?: boolean;
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
  #channel: { readonly address: string; readonly channel: Channel } | undefined;

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
    const deadline = clock.now() + DEADLINE;
    for (let last: unknown; ; ) {
      const { leading, leader } = source.standing();
      try {
        if (leading) return await call.here();
        if (leader !== undefined) return await this.#ask(leader, call);
      } catch (error) {
        if (!isUndone(error, call.repeatable === true) || call.caller.signal.aborted) throw error;
        // Who does not even take the connection says nothing to a person.
        last = leading || wasAnswered(error) || codeOf(error) === 'UNKNOWN' ? error : undefined;
      }
      if (clock.now() >= deadline) throw last ?? noLeader();
      await this.#pause(call.caller.signal);
    }
  }

  /** Resolves with the leader's channel, or undefined when this manager leads. @throws UNAVAILABLE */
  channel(caller: { readonly signal: AbortSignal }): Promise<Channel | undefined> {
    return this.call({ here: () => undefined, there: (channel) => Promise.resolve(channel), caller });
  }

  close(): void {
    this.#unlisten();
    this.#channel?.channel.close();
    this.#channel = undefined;
  }

  async #ask<T>(leader: string, { there, credential, caller }: LeaderCall<T>): Promise<T> {
    const own = credential === undefined;
    const channel = own ? this.#channelTo(leader) : new Channel(leader, credential);
    try {
      return await this.#unlessDeposed(leader, there(channel));
    } catch (error) {
      if (connectionBroke(error) && !caller.signal.aborted) throw cutOff(leader, error);
      throw error;
    } finally {
      if (!own) channel.close();
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

  #channelTo(address: string): Channel {
    if (this.#channel?.address === address) return this.#channel.channel;
    this.#channel?.channel.close();
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

function cutOff(leader: string, cause?: unknown): SwarmError {
  return new SwarmError('UNKNOWN', `the leader ${leader} went away before it answered: the change may have been made`, {
    value: leader,
    hint: 'Look at the object again before you repeat the command.',
    cause,
  });
}
