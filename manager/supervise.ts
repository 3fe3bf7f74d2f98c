import { Backoff } from '../lib/backoff.js';
import type { Clock } from '../lib/clock.js';
import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';

/** A control loop: runs until the signal aborts, and takes the state anew each time it is run. */
export interface Loop {
  run(signal: AbortSignal): Promise<void>;
}

/** A loop that ran this long, in milliseconds, was not failing at once: its next failure is its first. */
const STEADY = 60_000;

/** Keeps a loop running: one that ends or throws is reported and run again after a back-off, never given up. */
export async function supervise(
  name: string,
  loop: Loop,
  options: { readonly clock: Clock; readonly log: Logger; readonly signal: AbortSignal },
): Promise<void> {
  const { clock, log, signal } = options;
  const backoff = new Backoff({ initial: 100, max: 10_000 });
  while (!signal.aborted) {
    const begun = clock.monotonic();
    try {
      await loop.run(signal);
      if (!signal.aborted) log.error({ loop: name }, 'a control loop ended by itself');
    } catch (error) {
      if (!signal.aborted) log.error({ loop: name, err: error }, `a control loop failed: ${messageOf(error)}`);
    }
    if (signal.aborted) return;
    if (clock.monotonic() - begun >= STEADY) backoff.reset();
    await clock.sleep(backoff.next(), signal).catch(() => undefined);
  }
}
