import { isDeepStrictEqual } from 'node:util';
import { type WatchEvent, WatchEventAction, type WatchMessage } from '../../proto/gen/control.js';
import {
  type JobOutcome,
  JobStatus,
  type Service,
  type Task,
  TaskState,
  UpdateState,
  type UpdateStatus,
} from '../../proto/gen/objects.js';
import type { TaskSpec } from '../../proto/gen/specs.js';
import { isHostMode } from '../../proto/ports.js';
import { naturalOrder, shortId } from '../format/human.js';
import { outcomeText, timeIn } from '../format/schedule.js';
import { reasonOf } from '../format/task-rows.js';

/** What there is to show of a service on its way to what its spec asks for. */
export interface ProgressView {
  /** `overall progress` for services, `job progress` for jobs. */
  readonly done: number;
  /** Undefined while it is not known how many there will be. */
  readonly total: number | undefined;
  readonly isJob: boolean;
  /** Of a job: tasks on their way now, and the most that may be. */
  readonly active?: { readonly now: number; readonly most: number };
  readonly slots: readonly SlotView[];
  /** A line about the whole: an update that is rolled back, what the managers cannot give. */
  readonly notice: string | undefined;
  readonly verdict: Verdict;
}

export interface SlotView {
  /** `2/5`, or the node of a global service's task. */
  readonly label: string;
  /** Undefined while there is no task. */
  readonly state: TaskState | undefined;
  /** Why the task itself waits or has failed. */
  readonly reason: string;
  /** Until a task runs: how the last one that failed ended, which may be this one. */
  readonly failure: { readonly state: TaskState; readonly reason: string } | undefined;
}

export type Verdict =
  | { readonly kind: 'waiting' }
  /** All is as asked for; `final` when that cannot change any more, as of a job that is done. */
  | { readonly kind: 'converged'; readonly final: false }
  | { readonly kind: 'converged'; readonly final: true; readonly words: string }
  | { readonly kind: 'failed'; readonly message: string };

const WAITING: Verdict = { kind: 'waiting' };

/** Follows one service and its tasks by the events of a watch. Pure: no clock, no output. */
export class ServiceProgress {
  readonly #before: UpdateStatus | undefined;
  readonly #wantsRollback: boolean;
  readonly #settledRun: number | undefined;
  readonly #tasks = new Map<string, Task>();
  #service: Service | undefined;
  #removed = false;
  #isComplete = false;

  /**
   * @param before status of an update before the one that is followed: seen again, it says nothing
   * @param wantsRollback the rollback is what was asked for, not what went wrong
   * @param settledRun of a job that was not asked to run: its newest run, which is not what is waited for
   */
  constructor(before: UpdateStatus | undefined, wantsRollback = false, settledRun?: number) {
    this.#before = before;
    this.#wantsRollback = wantsRollback;
    this.#settledRun = settledRun;
  }

  /** Whether all that there is has been told, and not a part of it. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** What was told is void; what there is now will be told. */
  restart(): void {
    this.#tasks.clear();
    this.#service = undefined;
    this.#isComplete = false;
  }

  /** What is there at the beginning may come in several messages; a service that is in none of them is gone. */
  tell(message: WatchMessage): void {
    for (const event of message.events) this.apply(event);
    if (!message.synced) return;
    this.#isComplete = true;
    this.#removed ||= this.#service === undefined;
  }

  apply(event: WatchEvent): void {
    const removed = event.action === WatchEventAction.REMOVED;
    if (event.task) {
      if (removed) this.#tasks.delete(event.task.id);
      else this.#tasks.set(event.task.id, event.task);
    }
    if (event.service) {
      this.#removed = removed;
      this.#service = event.service;
    }
  }

  view(): ProgressView {
    const service = this.#service;
    if (this.#removed) return { ...EMPTY, verdict: { kind: 'failed', message: 'the service was removed' } };
    if (!service) return EMPTY;
    const view = service.spec.replicatedJob || service.spec.globalJob ? this.#job(service) : this.#running(service);
    return { ...view, ...this.#update(service, view) };
  }

  /** Tasks made from the spec as it is now. */
  #current(service: Service): Task[] {
    return [...this.#tasks.values()].filter((task) => isCurrent(service, task));
  }

  #running(service: Service): ProgressView {
    const current = this.#current(service);
    const wanted = (task: Task) => task.desiredState <= TaskState.RUNNING;
    const { replicated } = service.spec;
    const slotOf = (task: Task) => (replicated ? String(task.slot) : task.nodeId);
    const live = replicated ? current.filter(wanted) : [...this.#tasks.values()].filter(wanted);
    const keys = replicated
      ? Array.from({ length: replicated.replicas }, (_, i) => String(i + 1))
      : [...new Set(live.map(slotOf))].sort(naturalOrder);
    const running = current.filter((t) => t.desiredState === TaskState.RUNNING && t.status.state === TaskState.RUNNING);
    const total = replicated ? replicated.replicas : keys.length || undefined;
    const [problem] = service.problems;
    return {
      done: running.length,
      total,
      isJob: false,
      slots: this.#slots(keys, current, slotOf, replicated !== undefined),
      // Its tasks go on with what they have. Those that do not run say it themselves.
      notice: running.length === total && problem !== undefined ? `waiting: ${problem}` : undefined,
      verdict: running.length === total && problem === undefined ? { kind: 'converged', final: false } : WAITING,
    };
  }

  #slots(keys: readonly string[], current: readonly Task[], slotOf: (t: Task) => string, numbered: boolean) {
    // Slots are numbered, but a task may keep a number above the count after a scale-down.
    const taken = [...new Set(current.filter((t) => t.desiredState <= TaskState.RUNNING).map(slotOf))];
    const extra = taken.filter((key) => !keys.includes(key)).sort(naturalOrder);
    const missing = keys.filter((key) => !taken.includes(key));
    const shown = keys.map((key) => (missing.includes(key) ? (extra.shift() ?? key) : key));
    return shown.map((key, i) => {
      const tasks = current.filter((task) => slotOf(task) === key);
      return { label: numbered ? `${i + 1}/${keys.length}` : shortId(key), ...slotState(tasks) };
    });
  }

  #job(service: Service): ProgressView {
    const { iteration, runs, lastOutcome, nextExecution } = service.jobStatus ?? JobStatus.create();
    const { replicatedJob } = service.spec;
    const notice =
      nextExecution === 0 ? undefined : `next run: ${timeIn(nextExecution, service.spec.schedule?.timeZone)}`;
    if (iteration === this.#settledRun) return { ...EMPTY, isJob: true, notice, verdict: atRest(nextExecution !== 0) };
    const current = [...this.#tasks.values()].filter((task) => task.jobIteration?.iteration === iteration);
    const run = runs.find((open) => open.iteration === iteration);
    const outcome = lastOutcome?.iteration === iteration ? lastOutcome : undefined;
    const done = current.filter((task) => task.status.state === TaskState.COMPLETE).length;
    const nodes = [...new Set(current.map((task) => task.nodeId))].sort(naturalOrder);
    // What this run is to do: the spec may ask something else of the next one.
    const total = replicatedJob ? run?.totalCompletions || outcome?.total : nodes.length || undefined;
    const keys = replicatedJob ? Array.from({ length: total ?? 0 }, (_, i) => String(i + 1)) : nodes;
    const slotOf = (task: Task) => (replicatedJob ? String(task.slot) : task.nodeId);
    const active = current.filter((t) => t.desiredState <= TaskState.COMPLETE && t.status.state < TaskState.COMPLETE);
    const most = Math.min(run?.maxConcurrent ?? 0, (total ?? 0) - done);
    return {
      done,
      total,
      isJob: true,
      ...(replicatedJob && run ? { active: { now: active.length, most } } : {}),
      slots: keys.map((key, i) => ({
        label: replicatedJob ? `${i + 1}/${keys.length}` : shortId(key),
        ...slotState(current.filter((task) => slotOf(task) === key)),
      })),
      notice,
      verdict: jobVerdict(done === total, outcome),
    };
  }

  /** What an update that stopped or turned back means for who waits for it. */
  #update(service: Service, { notice, verdict }: ProgressView): Pick<ProgressView, 'notice' | 'verdict'> {
    const status = service.updateStatus;
    if (!status || isDeepStrictEqual(status, this.#before)) return { notice, verdict };
    const message = status.message === '' ? 'no reason given' : status.message;
    const failed = (text: string): Verdict => ({ kind: 'failed', message: `${text}: ${message}` });
    switch (status.state) {
      case UpdateState.PAUSED:
        return { notice: undefined, verdict: failed('service update paused') };
      case UpdateState.ROLLBACK_PAUSED:
        return { notice: undefined, verdict: failed('service rollback paused') };
      case UpdateState.ROLLBACK_STARTED:
        return { notice: `rollback: ${message}`, verdict: this.#wantsRollback ? verdict : WAITING };
      case UpdateState.ROLLBACK_COMPLETED:
        return { notice: undefined, verdict: this.#wantsRollback ? verdict : failed('service rolled back') };
      default:
        return { notice, verdict };
    }
  }
}

/** Of a job that was not asked to run. */
function atRest(isScheduled: boolean): Verdict {
  return { kind: 'converged', final: true, words: isScheduled ? 'job scheduled' : 'job at rest: --force runs it' };
}

function jobVerdict(isDone: boolean, outcome: JobOutcome | undefined): Verdict {
  if (isDone || (outcome && outcome.message === '')) return { kind: 'converged', final: true, words: 'job complete' };
  return outcome ? { kind: 'failed', message: `job failed: ${outcomeText(outcome)}` } : WAITING;
}

const EMPTY: ProgressView = {
  done: 0,
  total: undefined,
  isJob: false,
  slots: [],
  notice: undefined,
  verdict: WAITING,
};

/** The newest task of a slot; while it does not run, why, and how the last one failed. */
function slotState(tasks: readonly Task[]): Omit<SlotView, 'label'> {
  const sorted = [...tasks].sort(
    (a, b) => b.meta.createdAt - a.meta.createdAt || b.desiredStateSince - a.desiredStateSince,
  );
  const [newest] = sorted;
  if (!newest) return { state: undefined, reason: '', failure: undefined };
  const { state } = newest.status;
  if (state === TaskState.RUNNING || state === TaskState.COMPLETE) return { state, reason: '', failure: undefined };
  const failed = sorted.find((task) => task.status.state > TaskState.COMPLETE);
  const failure = failed && { state: failed.status.state, reason: reasonOf(failed) };
  return { state, reason: reasonOf(newest), failure };
}

/** Without the virtual addresses, which change without the tasks. */
function ofTask(spec: TaskSpec): TaskSpec {
  return { ...spec, networks: spec.networks.map((network) => ({ ...network, virtualIp: '' })) };
}

/** Whether a task is as the service's spec asks; one made for an older version may well be. */
function isCurrent(service: Service, task: Task): boolean {
  if (task.specVersion === service.specVersion) return true;
  if (!isDeepStrictEqual(ofTask(task.spec), ofTask(service.spec.task))) return false;
  const [ports, taskPorts] = [service.spec.endpoint.ports, task.endpoint.ports];
  // The mesh's ports, and the endpoint mode, change without the tasks.
  return (
    ports.every(isHostMode) === taskPorts.every(isHostMode) &&
    isDeepStrictEqual(ports.filter(isHostMode), taskPorts.filter(isHostMode))
  );
}
