import { Backoff } from '../lib/backoff.js';
import type { Clock } from '../lib/clock.js';
import { codeOf, messageOf, SwarmError, unavailable } from '../lib/errors.js';
import type { CallOptions } from '../proto/rpc/client.js';
import { connectionBroke, wasAnswered } from '../proto/rpc/errors.js';

/**
 * What is repeated when the managers, or the daemon here, change places in the middle of a command.
 * UNAVAILABLE from the daemon is not: nothing was done, and it has looked for a leader for long enough.
 * Where a call may have been made, each kind of call has a way of its own to find out, or to do no harm.
 */

type Fate =
  /** There is an answer. */
  | 'answered'
  /** The call did not even leave. */
  | 'undone'
  /** It may have been made. */
  | 'unknown';

function fateOf(error: unknown): Fate {
  if (wasAnswered(error)) return codeOf(error) === 'UNKNOWN' ? 'unknown' : 'answered';
  if (connectionBroke(error)) return 'unknown';
  return codeOf(error) === 'UNAVAILABLE' ? 'undone' : 'answered';
}

/** Whether an error only says that nobody can answer now. */
export function isPassing(error: unknown): boolean {
  return fateOf(error) !== 'answered' || codeOf(error) === 'UNAVAILABLE';
}

/** Milliseconds from the first failure of a call to its last repetition: a daemon restarts in less. */
const PATIENCE = 5_000;

class Patience {
  readonly #clock: Clock;
  readonly #backoff = new Backoff({ initial: 50, max: 1_000 });
  #deadline: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when it is time for another try. @throws the error when there have been enough */
  async afterFailure(error: unknown, signal?: AbortSignal): Promise<void> {
    const now = this.#clock.monotonic();
    this.#deadline ??= now + PATIENCE;
    if (now >= this.#deadline) throw error;
    await this.#clock.sleep(this.#backoff.next(), signal);
  }
}

const READS = /^(get|list|inspect|wait)|^info$/;

/** The same calls, but those that only read are repeated when no answer comes to them. */
export function repeatReads<S extends object>(stubs: S, clock: Clock): S {
  type Call = (request: unknown, options?: CallOptions) => Promise<unknown>;
  const repeated =
    (call: Call): Call =>
    async (request, options) => {
      const patience = new Patience(clock);
      for (;;) {
        try {
          return await call(request, options);
        } catch (error) {
          if (fateOf(error) === 'answered' || options?.signal?.aborted) throw error;
          await patience.afterFailure(inWords(error), options?.signal);
        }
      }
    };
  const entries = Object.entries(stubs).map(([name, call]) => [name, READS.test(name) ? repeated(call as Call) : call]);
  return Object.fromEntries(entries) as S;
}

/** The same calls, whose errors say in words when the daemon went away. For those that nobody repeats. */
export function plainErrors<S extends object>(stubs: S): S {
  type Call = (...args: readonly unknown[]) => unknown;
  const plain =
    (call: Call): Call =>
    (...args) => {
      const answer = call(...args);
      if (!(answer instanceof Promise)) return plainStream(answer as AsyncIterable<unknown>);
      return answer.catch((error: unknown) => {
        throw inWords(error);
      });
    };
  return Object.fromEntries(Object.entries(stubs).map(([name, call]) => [name, plain(call as Call)])) as S;
}

async function* plainStream(answers: AsyncIterable<unknown>): AsyncIterable<unknown> {
  try {
    yield* answers;
  } catch (error) {
    throw inWords(error);
  }
}

/** What a command does, for the case that it cannot tell whether it has done it. */
interface Deed {
  /** As in `service web was created`. */
  readonly what: string;
  /** The command that shows it. */
  readonly look: string;
}

export interface Change<T, W> extends Deed {
  readonly read: () => Promise<T>;
  /** What the object is to become; undefined when it is as it shall be. */
  readonly wanted: (object: T) => W | undefined;
  /** Writes over that very version of the object. @returns it as it is then */
  readonly write: (object: T, wanted: W) => Promise<T>;
  /** Whether an attempt to write `wanted` over `before` can be seen in the object as it is now. */
  readonly has: (now: T, wanted: W, before: T) => boolean;
}

/**
 * Reads an object, changes it, writes it. Its version guards the write, so that it may be repeated from
 * the read: of two attempts at most one is made. It is repeated too when somebody else, as the managers
 * themselves, has changed the object between read and write.
 * @returns the object before and after; the same one when there was nothing to change
 * @throws UNKNOWN when it cannot be told whether it was changed
 */
export async function change<T, W>(clock: Clock, deed: Change<T, W>): Promise<{ before: T; after: T }> {
  const patience = new Patience(clock);
  let unknown: { readonly before: T; readonly wanted: W } | undefined;
  for (;;) {
    let attempt: typeof unknown;
    try {
      const before = await deed.read();
      if (unknown && deed.has(before, unknown.wanted, unknown.before)) return { before: unknown.before, after: before };
      const wanted = deed.wanted(before);
      if (wanted === undefined) return { before, after: before };
      attempt = { before, wanted };
      return { before, after: await deed.write(before, wanted) };
    } catch (error) {
      const fate = fateOf(error);
      if (attempt && fate === 'unknown') unknown = attempt;
      const final = unknown && isPassing(error) ? notKnown(deed, error) : inWords(error);
      const isAgain = attempt !== undefined && (fate !== 'answered' || codeOf(error) === 'ABORTED');
      if (!isAgain) throw final;
      await patience.afterFailure(final);
    }
  }
}

/**
 * Removes what is named by its id: what is gone after an attempt was removed by it.
 * @throws UNKNOWN when it cannot be told whether it was removed
 */
export async function removal(clock: Clock, deed: Deed & { readonly remove: () => Promise<unknown> }): Promise<void> {
  const patience = new Patience(clock);
  for (let unknown = false; ; ) {
    try {
      await deed.remove();
      return;
    } catch (error) {
      if (unknown && codeOf(error) === 'NOT_FOUND') return;
      const fate = fateOf(error);
      unknown ||= fate === 'unknown';
      const final = unknown && isPassing(error) ? notKnown(deed, error) : inWords(error);
      if (fate === 'answered') throw final;
      await patience.afterFailure(final);
    }
  }
}

export interface Creation<T> extends Deed {
  readonly create: () => Promise<T>;
  /** The object that has the name, if any. */
  readonly find: () => Promise<T | undefined>;
  /** Whether it is just what was asked for. */
  readonly isAsAsked: (found: T) => boolean;
}

/** Milliseconds that a manager's clock may be behind the one here. */
const CLOCK_SKEW = 5_000;

/**
 * Creates an object that no other may share its name with. Where an attempt may have been made, the object
 * is looked for; it is created once more when it is not there.
 * @throws UNKNOWN when it cannot be told whether it was created
 */
export async function creation<T extends { readonly meta: { readonly createdAt: number } }>(
  clock: Clock,
  deed: Creation<T>,
): Promise<T> {
  const asked = clock.now();
  for (let again = false; ; again = true) {
    try {
      return await deed.create();
    } catch (error) {
      // What refuses the second one may be the first: it holds the name, the ports, the subnet.
      if (!again && fateOf(error) !== 'unknown') throw inWords(error);
      const found = await deed.find().catch((cause: unknown) => {
        throw notKnown(deed, cause);
      });
      if (found && found.meta.createdAt >= asked - CLOCK_SKEW && deed.isAsAsked(found)) return found;
      if (again) throw isPassing(error) ? notKnown(deed, error) : error;
    }
  }
}

/** Whether two messages are the same to whoever receives them. */
export function isSame<T>(codec: { encode(message: T): Uint8Array }, a: T, b: T): boolean {
  return Buffer.compare(codec.encode(a), codec.encode(b)) === 0;
}

function notKnown({ what, look }: Deed, cause: unknown): SwarmError {
  return new SwarmError('UNKNOWN', `it is not known whether ${what}: ${messageOf(inWords(cause))}`, {
    hint: `Look with "${look}" before you repeat the command.`,
    cause,
  });
}

/** gRPC's words for a daemon that is gone say nothing to a person. */
function inWords(error: unknown): unknown {
  if (fateOf(error) === 'answered' || wasAnswered(error)) return error;
  return unavailable('the tsswarm daemon went away before it answered', {
    hint: 'Is tsswarmd running? "tsswarm info" shows it.',
    cause: error,
  });
}
