import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf } from '../../lib/errors.js';

/** How often it is tried, and milliseconds in between: longer than managers are without a leader. */
const TRIES = 30;
const AGAIN = 500;
/** What calls fail with that a change of leader gets in the way of. The last one: it may have been done. */
const LEADERLESS: ReadonlySet<string> = new Set(['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'UNKNOWN']);

/**
 * Calls again, as an operator does, when the leadership has moved under it.
 * @param call told whether an earlier one may have been done after all
 */
export async function persistently<T>(call: (repeated: boolean) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await call(tries > 1);
    } catch (error) {
      if (tries === TRIES || !LEADERLESS.has(codeOf(error))) throw error;
      await sleep(AGAIN);
    }
  }
}
