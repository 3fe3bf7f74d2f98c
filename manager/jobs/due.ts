import type { JobStatus, Service, Task } from '../../proto/gen/index.js';
import { withRun } from './runs.js';
import { lastTime, nextTime, overlapOf, windowOf } from './schedule.js';

/** A bound on what a job can pile up whose runs take longer than the time between them. */
export const MOST_RUNS = 100;

/**
 * What the status of a job becomes when a time of its schedule has come: a run, or a note why there is
 * none, and in any case the next time. Undefined when no time has come.
 *
 * Times that passed while nobody could see to them bring one run together, by the newest of them.
 * @param now milliseconds
 */
export function whenDue(service: Service, tasks: Iterable<Task>, now: number): JobStatus | undefined {
  const { jobStatus: status, spec } = service;
  const { schedule } = spec;
  if (!schedule || !status || status.nextExecution === 0 || now < status.nextExecution) return undefined;
  const dueAt = lastTime(schedule, status.nextExecution, now);
  const next = { ...status, nextExecution: nextTime(schedule, now) };
  const skipped = (reason: string): JobStatus => ({ ...next, lastSkipped: { dueAt, reason } });
  if (now - dueAt > windowOf(schedule)) {
    const late = Math.round((now - dueAt) / 1_000);
    return skipped(`no manager could start it then, and ${late} s later the missed-run window was over`);
  }
  const [oldest] = status.runs;
  const overlap = overlapOf(schedule);
  if (oldest && overlap === 'skip') {
    return skipped(`the run that began at ${new Date(oldest.startedAt).toISOString()} went on`);
  }
  if (status.runs.length >= MOST_RUNS && overlap === 'allow') return skipped(`${MOST_RUNS} runs went on already`);
  return withRun(next, spec, tasks, { dueAt, beside: overlap === 'allow', now });
}
