import { SwarmError } from '../../lib/errors.js';
import { parseDuration } from '../../lib/units.js';
import { badFlag, type Flags } from './flags.js';

/**
 * Milliseconds since the epoch of a date, of seconds since it, or of a duration that has passed.
 * @param now milliseconds since the epoch
 * @returns undefined when the flag was not given
 * @throws INVALID_ARGUMENT that names the flag and value
 */
export function instantOf(flags: Flags, flag: string, now: number): number | undefined {
  const text = flags.text(flag);
  if (text === undefined) return undefined;
  if (/^\d+(?:\.\d+)?$/.test(text)) return Math.round(Number(text) * 1000);
  if (/^\d{4}-/.test(text)) {
    const time = Date.parse(/(?:Z|[+-]\d\d:?\d\d)$/.test(text) || !text.includes('T') ? text : `${text}Z`);
    if (!Number.isNaN(time)) return time;
  }
  try {
    return now - Math.round(parseDuration(text) / 1e6);
  } catch (error) {
    if (!(error instanceof SwarmError)) throw error;
    throw badFlag(flag, text, 'must be a time', 'A time looks like 2026-01-02T13:23:37Z, or 42m for 42 minutes ago.');
  }
}
