import { Backoff } from '../../lib/backoff.js';
import type { Clock } from '../../lib/clock.js';
import { codeOf, messageOf, unavailable } from '../../lib/errors.js';
import { ObjectKind, type WatchMessage } from '../../proto/gen/control.js';
import type { Control } from '../context.js';
import { isPassing } from '../retry.js';

/** Milliseconds without an answer of any manager after which nobody is waited for any more. */
const PATIENCE = 30_000;
/** Milliseconds between two questions, and until one counts as not answered: longer than a daemon looks for a leader. */
const PULSE = 5_000;
const PULSE_TIMEOUT = 8_000;

/** What comes in place of a message when the watch begins anew: all that was told before is void. */
export type ServiceNews = WatchMessage | 'anew';

/**
 * A service and its tasks: as they are now, then every change. Goes on over the end of its stream, as when
 * managers change places or the daemon restarts, until `signal` aborts.
 * @throws UNAVAILABLE when no manager has answered for a while
 */
export async function* watchService(
  control: Control,
  clock: Clock,
  id: string,
  signal: AbortSignal,
): AsyncGenerator<ServiceNews> {
  const request = { kinds: [ObjectKind.SERVICE, ObjectKind.TASK], serviceId: id };
  const backoff = new Backoff({ initial: 100, max: 2_000 });
  const pulse = new Pulse(control, clock, id);
  const ended = AbortSignal.any([signal, pulse.lost]);
  const beating = pulse.run(ended);
  try {
    for (;;) {
      try {
        for await (const message of control.watch(request, { signal: ended })) {
          pulse.answered();
          backoff.reset();
          yield message;
        }
      } catch (error) {
        if (!isPassing(error) && codeOf(error) !== 'RESOURCE_EXHAUSTED') throw error;
      }
      if (signal.aborted) return;
      if (pulse.lost.aborted) throw pulse.lost.reason;
      yield 'anew';
      await clock.sleep(backoff.next(), ended).catch(() => undefined);
    }
  } finally {
    pulse.stop();
    await beating;
  }
}

/** Asks managers now and then: a stream on which nothing comes does not tell whether there are any. */
class Pulse {
  readonly #control: Control;
  readonly #clock: Clock;
  readonly #id: string;
  readonly #lost = new AbortController();
  readonly #stopped = new AbortController();
  #since: number;

  constructor(control: Control, clock: Clock, id: string) {
    this.#control = control;
    this.#clock = clock;
    this.#id = id;
    this.#since = clock.monotonic();
  }

  /** Aborted with the error to throw when nobody has answered for too long. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  answered(): void {
    this.#since = this.#clock.monotonic();
  }

  #failed(error: unknown): void {
    if (this.#clock.monotonic() - this.#since < PATIENCE) return;
    this.#lost.abort(
      unavailable(`no manager has answered for ${PATIENCE / 1000} seconds: ${messageOf(error)}`, {
        hint: `The managers go on with the service when they are back. Use "tsswarm service ps ${this.#id}" to check progress.`,
        cause: error,
      }),
    );
  }

  stop(): void {
    this.#stopped.abort();
  }

  async run(ended: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([ended, this.#stopped.signal]);
    while (!signal.aborted) {
      try {
        await this.#clock.sleep(PULSE, signal);
        await this.#control.getService({ ref: this.#id }, { signal, timeout: PULSE_TIMEOUT });
        this.answered();
      } catch (error) {
        if (signal.aborted) return;
        if (isPassing(error) || codeOf(error) === 'DEADLINE_EXCEEDED') this.#failed(error);
        // What else it may be, as that the service is gone, the watch tells.
        else this.answered();
      }
    }
  }
}
