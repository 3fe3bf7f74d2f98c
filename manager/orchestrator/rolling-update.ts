import { FailureAction, type Task, TaskState, UpdateConfig, type UpdateOrder } from '../../proto/gen/index.js';
import { isWanted } from '../common/tasks.js';

const DEFAULT_MONITOR = 5_000;

interface Member {
  readonly taskId: string;
  runningAt: number | undefined;
  /** When the slot was done with: its new task ran, ended, or was not needed. */
  doneAt: number | undefined;
}

/**
 * The progress of one service's update, in memory: which slots are still to be replaced, which are
 * being replaced, and how the new tasks fare. Pure: time (milliseconds, by a clock that nobody sets) and tasks come
 * in, decisions go out.
 */
export class RollingUpdate {
  readonly specVersion: number;
  readonly order: UpdateOrder;
  readonly failureAction: FailureAction;
  readonly #parallelism: number;
  readonly #delay: number;
  readonly #monitor: number;
  readonly #maxFailureRatio: number;
  readonly #pending: string[];
  readonly #total: number;
  readonly #members = new Map<string, Member>();
  readonly #slotOfTask = new Map<string, string>();
  readonly #failed = new Set<string>();
  #lastDone: number;

  /** @param config the default one when undefined: one at a time, stop first, pause on failure */
  constructor(config: UpdateConfig | undefined, specVersion: number, slots: readonly string[], now: number) {
    const given = config ?? UpdateConfig.create({ parallelism: 1 });
    this.specVersion = specVersion;
    this.order = given.order;
    this.failureAction = given.failureAction;
    this.#parallelism = given.parallelism === 0 ? Number.POSITIVE_INFINITY : given.parallelism;
    this.#delay = given.delay / 1e6;
    this.#monitor = given.monitor === undefined ? DEFAULT_MONITOR : given.monitor / 1e6;
    this.#maxFailureRatio = given.maxFailureRatio;
    this.#pending = [...slots];
    this.#total = slots.length;
    this.#lastDone = now;
  }

  /** Slots to replace now; each is to be answered by `started` or `skipped`. */
  take(now: number): readonly string[] {
    const busy = [...this.#members.values()].filter((m) => m.doneAt === undefined || m.doneAt + this.#delay > now);
    return this.#pending.splice(0, Math.max(0, this.#parallelism - busy.length));
  }

  started(slot: string, taskId: string): void {
    this.#members.set(slot, { taskId, runningAt: undefined, doneAt: undefined });
    this.#slotOfTask.set(taskId, slot);
  }

  /** Nothing is to be replaced there any more. */
  skipped(slot: string): void {
    this.#members.delete(slot);
  }

  /** Takes note of a task of the service as it is now. @returns whether it is one of this update's */
  observe(task: Task, now: number): boolean {
    const member = this.#members.get(this.#slotOfTask.get(task.id) ?? '');
    if (member?.taskId !== task.id) return false;
    const { state } = task.status;
    if (state === TaskState.RUNNING) member.runningAt ??= now;
    const soon = member.runningAt === undefined || now - member.runningAt <= this.#monitor;
    const ended = state > TaskState.RUNNING;
    const byItself = isWanted(task) || state === TaskState.FAILED || state === TaskState.REJECTED;
    if (ended && byItself && soon) this.#failed.add(task.id);
    if (state === TaskState.RUNNING || ended || !isWanted(task)) {
      if (member.doneAt === undefined) this.#lastDone = Math.max(this.#lastDone, now);
      member.doneAt ??= now;
    }
    return true;
  }

  verdict(now: number): 'going' | 'failed' | 'completed' {
    const goesOn = this.failureAction === FailureAction.CONTINUE;
    if (!goesOn && this.#total > 0 && this.#failed.size / this.#total > this.#maxFailureRatio) return 'failed';
    const end = this.#end();
    return end !== undefined && now >= end ? 'completed' : 'going';
  }

  /** A task because of which the update failed. */
  get failedTask(): string {
    return [...this.#failed].at(-1) ?? '';
  }

  /** When time alone changes something; undefined when only a task can. Milliseconds. */
  nextAt(now: number): number | undefined {
    const delays = [...this.#members.values()].flatMap((m) => (m.doneAt === undefined ? [] : [m.doneAt + this.#delay]));
    const times = this.#pending.length > 0 ? delays : [this.#end()].filter((t) => t !== undefined);
    const later = times.filter((t) => t > now);
    return later.length === 0 ? undefined : Math.min(...later);
  }

  /** One more monitor period after the last slot, in which its task may still fail. */
  #end(): number | undefined {
    if (this.#pending.length > 0) return undefined;
    for (const { doneAt } of this.#members.values()) if (doneAt === undefined) return undefined;
    return this.#lastDone + (this.#delay >= this.#monitor ? this.#delay + 1_000 : this.#monitor);
  }
}
