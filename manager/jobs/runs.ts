import {
  type JobOutcome,
  type JobRun,
  JobStatus,
  type Service,
  type ServiceSpec,
  type Task,
  TaskState,
} from '../../proto/gen/index.js';
import { isWanted } from '../common/tasks.js';
import { nextTime } from './schedule.js';

/**
 * The runs of a job. A run goes on until all its tasks have completed or failed for good; that of a
 * global job without a schedule for ever, so that nodes that are added later take part.
 */

/** The run that a task is of, if it goes on. */
export function runOf(service: Service, task: Task): JobRun | undefined {
  return service.jobStatus?.runs.find(({ iteration }) => iteration === task.jobIteration?.iteration);
}

/** A task of a run that is over and not the last one: history. */
export function isPast(service: Service, task: Task): boolean {
  return task.jobIteration?.iteration !== service.jobStatus?.iteration && runOf(service, task) === undefined;
}

/** It is to do its work, and has not done it. */
export function isUnderWay(task: Task): boolean {
  return isWanted(task) && task.status.state !== TaskState.COMPLETE;
}

/** Of a job that has just been made: it runs at once, unless it has a schedule. @param now milliseconds */
export function firstStatus(spec: ServiceSpec, now: number): JobStatus {
  const { schedule } = spec;
  if (schedule) return JobStatus.create({ nextExecution: nextTime(schedule, now) });
  return JobStatus.create({ lastExecution: now, runs: [newRun(spec, { iteration: 0, dueAt: 0, now })] });
}

/**
 * Of a job whose spec changes. One without a schedule is run anew; one with a schedule, or that had one
 * until now, only when that is asked for.
 * @param now milliseconds
 */
export function statusOfChanged(
  service: Service,
  status: JobStatus,
  spec: ServiceSpec,
  tasks: Iterable<Task>,
  now: number,
): JobStatus {
  const { schedule } = spec;
  const before = service.spec.schedule;
  const isSame = before?.cron === schedule?.cron && before?.timeZone === schedule?.timeZone;
  // A time that has come and waits to be seen to is not lost by a change of something else.
  const nextExecution = !schedule ? 0 : isSame ? status.nextExecution : nextTime(schedule, now);
  const isForced = spec.task.forceUpdate > service.spec.task.forceUpdate;
  if (!isForced && (schedule || before)) return { ...status, nextExecution };
  const beside = schedule?.overlap === 'allow';
  return { ...withRun(status, spec, tasks, { dueAt: 0, beside, now }), nextExecution };
}

export interface NewRun {
  /** Milliseconds; 0 when it is not by the schedule. */
  readonly dueAt: number;
  /** Whether runs that go on may do so. */
  readonly beside: boolean;
  readonly now: number;
}

/** With another run, which takes the place of those that go on unless it is beside them. */
export function withRun(
  status: JobStatus,
  spec: ServiceSpec,
  tasks: Iterable<Task>,
  { dueAt, beside, now }: NewRun,
): JobStatus {
  const iteration = status.iteration + 1;
  const kept = beside ? status.runs : [];
  const replaced = beside ? undefined : status.runs.at(-1);
  return {
    ...status,
    iteration,
    lastExecution: now,
    runs: [...kept, newRun(spec, { iteration, dueAt, now })],
    lastOutcome: replaced ? outcomeOf(replaced, tasks, now, 'another run took its place') : status.lastOutcome,
  };
}

/** Without a run that is over. @param tasks of the job, of all runs */
export function withoutRun(status: JobStatus, iteration: number, tasks: Iterable<Task>, now: number): JobStatus {
  const over = status.runs.find((run) => run.iteration === iteration);
  if (!over) return status;
  const runs = status.runs.filter((run) => run !== over);
  return { ...status, runs, lastOutcome: outcomeOf(over, tasks, now, '') };
}

function newRun(
  { replicatedJob }: ServiceSpec,
  { iteration, dueAt, now }: { readonly iteration: number; readonly dueAt: number; readonly now: number },
): JobRun {
  const { maxConcurrent = 0, totalCompletions = 0 } = replicatedJob ?? {};
  const total = replicatedJob ? totalCompletions || maxConcurrent || 1 : 0;
  return { iteration, dueAt, startedAt: now, maxConcurrent: maxConcurrent || total, totalCompletions: total };
}

function outcomeOf(run: JobRun, tasks: Iterable<Task>, now: number, message: string): JobOutcome {
  const { iteration, startedAt, totalCompletions } = run;
  const own = [...tasks].filter((task) => task.jobIteration?.iteration === iteration);
  const completed = own.filter((task) => task.status.state === TaskState.COMPLETE).length;
  const total = totalCompletions || new Set(own.map((task) => task.nodeId)).size;
  return { iteration, startedAt, endedAt: now, completed, total, message: message || whyNotAll(own, completed, total) };
}

/** In the words of the task that failed last. */
function whyNotAll(own: readonly Task[], completed: number, total: number): string {
  if (total === 0) return 'there was no node that could take part';
  if (completed >= total) return '';
  const failed = own.filter(({ status }) => status.state > TaskState.COMPLETE && status.error !== '');
  const last = failed.sort((a, b) => a.status.timestamp - b.status.timestamp).at(-1);
  return last?.status.error ?? 'the others failed and are not tried again';
}
