import type { Service } from '../../proto/gen/objects.js';
import { goDuration, rfc3339 } from './human.js';
import type { PrettyLine } from './pretty.js';

/** What `service inspect --pretty` says of a job's runs. */
export function scheduleLines({ spec: { schedule }, jobStatus: job }: Service): PrettyLine[] {
  if (!job) return [];
  const { lastOutcome: last, lastSkipped: skipped } = job;
  const window = schedule?.missedRunWindow ?? 0;
  return [
    ['Schedule', schedule ? '' : undefined],
    ['Cron', schedule?.cron, 1],
    ['Time Zone', schedule && (schedule.timeZone || 'UTC'), 1],
    ['Overlap', schedule && (schedule.overlap || 'skip'), 1],
    ['Missed-Run Window', window === 0 ? undefined : goDuration(window), 1],
    ['Next Run', job.nextExecution === 0 ? undefined : timeIn(job.nextExecution, schedule?.timeZone), 1],
    ['JobStatus', ''],
    ['Iteration', job.iteration, 1],
    ['Last Execution', job.lastExecution === 0 ? undefined : rfc3339(job.lastExecution), 1],
    ['Going On', job.runs.map(({ startedAt }) => `since ${rfc3339(startedAt)}`).join(', ') || undefined, 1],
    ['Last Ended', last && `${rfc3339(last.endedAt)}: ${outcomeText(last)}`, 1],
    ['Last Skipped', skipped && `${rfc3339(skipped.dueAt)}: ${skipped.reason}`, 1],
  ];
}

/** What `service ps` says below the tasks: when there will be others, and why there were none. */
export function scheduleNotes({ spec: { name, schedule }, jobStatus: job }: Service): string[] {
  if (!schedule || !job || job.nextExecution === 0) return [];
  const skipped = job.lastSkipped;
  return [
    `${name} runs next at ${timeIn(job.nextExecution, schedule.timeZone)}`,
    ...(skipped && skipped.dueAt > job.lastExecution
      ? [`${name} did not run at ${timeIn(skipped.dueAt, schedule.timeZone)}: ${skipped.reason}`]
      : []),
  ];
}

/** `2 of 3 tasks completed: task: non-zero exit (1)`. */
export function outcomeText({
  completed,
  total,
  message,
}: NonNullable<NonNullable<Service['jobStatus']>['lastOutcome']>): string {
  return `${completed} of ${total} tasks completed${message === '' ? '' : `: ${message}`}`;
}

/** `2026-03-29 03:00:00 GMT+2 (Europe/Berlin)`, or with UTC alone. */
export function timeIn(at: number, zone = ''): string {
  const timeZone = zone || 'UTC';
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' });
  const offset = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'shortOffset' })
    .formatToParts(at)
    .find(({ type }) => type === 'timeZoneName')?.value;
  const time = format.format(at);
  return timeZone === 'UTC' ? `${time} UTC` : `${time} ${offset} (${timeZone})`;
}
