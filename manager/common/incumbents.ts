import { deferred } from '../../lib/async.js';
import type { Clock } from '../../lib/clock.js';

/** Which process speaks for somebody, and how. */
export interface Incumbent {
  /** Made anew by each process for itself. */
  readonly instance: string;
  /** Where it calls from, for who reads of it. */
  readonly peer: string;
  /** Ends its stream, which it opens again at once if it lives. */
  end(): void;
}

interface Challenge {
  readonly of: Incumbent;
  /** Whether it lives. */
  readonly answer: Promise<boolean>;
}

/**
 * Tells a process that was restarted from a second one with the same identity, which there is when a
 * machine or its data root was copied. Both come as a new instance while a stream of an older one is open:
 * for a process that was killed with its machine leaves its stream open, too. So the older one is
 * challenged: its stream is ended, and if `patience` later it has another open it lives, and the newcomer
 * is the second. That it came back alone says nothing: who was stalled itself reads only now what a process
 * that has died since had sent to it.
 */
export class Incumbents<Key> {
  readonly #clock: Clock;
  readonly #patience: number;
  readonly #open = new Map<Key, Incumbent>();
  readonly #challenges = new Map<Key, Challenge>();

  /** @param patience milliseconds */
  constructor(clock: Clock, patience: number) {
    this.#clock = clock;
    this.#patience = patience;
  }

  /**
   * At once, unless a stream of another instance is open.
   * @returns what is to be called when the caller's stream has ended, or who lives already
   */
  async enter(key: Key, incumbent: Incumbent): Promise<(() => void) | Incumbent> {
    const rival = await this.#rival(key, incumbent.instance, () => this.#open.set(key, incumbent));
    return (
      rival ??
      (() => {
        if (this.#open.get(key) === incumbent) this.#open.delete(key);
      })
    );
  }

  /** Who lives already, for a call that opens no stream. */
  rival(key: Key, instance: string): Promise<Incumbent | undefined> {
    return this.#rival(key, instance, () => {});
  }

  /** @param enter called in the turn in which it is certain that there is none */
  async #rival(key: Key, instance: string, enter: () => void): Promise<Incumbent | undefined> {
    for (;;) {
      const challenge = this.#challenges.get(key) ?? this.#challenge(key, instance);
      if (challenge && challenge.of.instance !== instance) {
        if (await challenge.answer) return challenge.of;
        continue;
      }
      enter();
      return undefined;
    }
  }

  #challenge(key: Key, instance: string): Challenge | undefined {
    const of = this.#open.get(key);
    if (!of || of.instance === instance) return undefined;
    const { promise: answer, resolve } = deferred<boolean>();
    const challenge: Challenge = { of, answer };
    this.#challenges.set(key, challenge);
    this.#clock.after(this.#patience, () => {
      this.#challenges.delete(key);
      resolve(this.#open.get(key)?.instance === of.instance);
    });
    this.#open.delete(key);
    of.end();
    return challenge;
  }
}
