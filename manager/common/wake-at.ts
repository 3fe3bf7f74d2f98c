import type { Clock } from '../../lib/clock.js';

/** Clocks are set now and then, and timers do not notice; milliseconds. */
export const LONGEST_WAIT = 60_000;

/**
 * Calls at that time, or some time before: who is called looks at the time again.
 * @param at milliseconds since the epoch
 * @returns calls it off
 */
export function wakeAt(clock: Clock, at: number, wake: () => void): () => void {
  return clock.after(Math.min(Math.max(at - clock.now(), 0), LONGEST_WAIT), wake);
}
