import { Cron } from 'croner';
import { invalidArgument, messageOf } from '../../lib/errors.js';
import type { Schedule } from '../../proto/gen/index.js';

/** What a run that is due does while another one goes on. */
export type Overlap = 'allow' | 'skip' | 'replace';
const OVERLAPS: readonly Overlap[] = ['allow', 'skip', 'replace'];

const DEFAULT_WINDOW = 600_000;
/** Another manager may need that long to lead: with less, a change of leader would lose runs. Milliseconds. */
const LEAST_WINDOW = 5_000;

const FIELDS =
  'A schedule has five fields, as in "*/5 * * * *": minute, hour, day of month, month, day of week; ' +
  'six with seconds first; or it is one of @hourly, @daily, @weekly, @monthly, @yearly.';

/** @throws INVALID_ARGUMENT for a schedule by which nothing could ever run, or not as it says */
export function checkSchedule(schedule: Schedule): void {
  const { cron, timeZone, overlap, missedRunWindow } = schedule;
  checkTimeZone(timeZone);
  if (overlap !== '' && !OVERLAPS.some((known) => known === overlap))
    throw invalidArgument(`"${overlap}" is no way in which runs of a job overlap`, {
      value: overlap,
      hint: `One of ${OVERLAPS.join(', ')}.`,
    });
  if (missedRunWindow > 0 && missedRunWindow / 1e6 < LEAST_WINDOW)
    throw invalidArgument(`a missed-run window of ${missedRunWindow / 1e6} ms is too short`, {
      value: String(missedRunWindow),
      hint: `At least ${LEAST_WINDOW / 1_000}s: so long a change of leader may take.`,
    });
  if (nextTime(schedule, 0) === 0)
    throw invalidArgument(`the times of the schedule "${cron}" never come`, { value: cron, hint: FIELDS });
}

/** When a job runs next: strictly after `after`, or 0 for never again. Both in milliseconds since the epoch. */
export function nextTime(schedule: Schedule, after: number): number {
  return parse(schedule).nextRun(new Date(after))?.getTime() ?? 0;
}

/** The newest time of the schedule that is not after `now`, but none before `first`, which is one of its times. */
export function lastTime(schedule: Schedule, first: number, now: number): number {
  const [last] = parse(schedule).previousRuns(1, new Date(now + 1));
  return Math.max(first, last?.getTime() ?? first);
}

export function overlapOf({ overlap }: Schedule): Overlap {
  return OVERLAPS.find((known) => known === overlap) ?? 'skip';
}

/** Milliseconds. */
export function windowOf({ missedRunWindow }: Schedule): number {
  return missedRunWindow === 0 ? DEFAULT_WINDOW : missedRunWindow / 1e6;
}

/**
 * Where daylight saving skips an hour, times given without `*` or a step come at its end; where it
 * repeats one, they come once. Others go by the clock on the wall: not in an hour that is skipped,
 * again in one that is repeated.
 */
function parse({ cron, timeZone }: Schedule): Cron {
  const bad = (reason: string) =>
    invalidArgument(`"${cron}" is not a schedule: ${reason}`, { value: cron, hint: FIELDS });
  const text = cron.trim();
  const fields = text.split(/\s+/).length;
  // The parser takes more: a date, years, and ? for the time at which it parses.
  if (!text.startsWith('@') && fields !== 5 && fields !== 6) throw bad(`it has ${fields} of the 5 or 6 fields`);
  if (text.includes('?')) throw bad('"?" means no time, write "*" for any');
  try {
    return new Cron(text, {
      paused: true,
      mode: '5-or-6-parts',
      timezone: timeZone || 'UTC',
      fixedTimeRule: 'no-wildcard',
    });
  } catch (error) {
    throw bad(messageOf(error).replace(/^CronPattern: /, ''));
  }
}

function checkTimeZone(zone: string): void {
  if (zone === '') return;
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
  } catch {
    const wanted = zone.toLowerCase().replaceAll(' ', '_');
    const alike = Intl.supportedValuesOf('timeZone').filter((name) => name.toLowerCase().endsWith(`/${wanted}`));
    throw invalidArgument(`there is no time zone "${zone}"`, {
      value: zone,
      hint: `Zones have the names of the tz database, as UTC or ${alike[0] ?? 'Europe/Berlin'}.`,
    });
  }
}
