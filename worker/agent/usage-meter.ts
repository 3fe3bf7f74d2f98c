import { TaskState, type TaskUsage } from '../../proto/gen/index.js';
import type { LoadCounters } from '../executor/interactive.js';
import type { LocalTask } from './local-task.js';

export interface UsageMeterOptions {
  readonly tasks: () => readonly LocalTask[];
  /** Of a task's container; undefined when it does not run. */
  readonly load: (taskId: string) => LoadCounters | undefined;
}

interface Measurement {
  readonly from: LoadCounters;
  /** Undefined before the second reading. */
  readonly usage: TaskUsage | undefined;
}

/** Nanoseconds. In less, a container with a CPU limit has used all or nothing: the kernel hands it out by 100 ms. */
const SHORTEST = 500_000_000n;

/** Measures the tasks of services that are scaled by load: what they use on average between two readings. */
export class UsageMeter {
  readonly #options: UsageMeterOptions;
  #services: ReadonlySet<string> = new Set();
  /** By task. */
  #measured = new Map<string, Measurement>();

  constructor(options: UsageMeterOptions) {
    this.#options = options;
  }

  /** Measures the tasks of these services from now on, and no others. */
  measure(services: readonly string[]): void {
    this.#services = new Set(services);
    this.#read();
  }

  /** What has been measured; tasks that have just come are not in it yet. */
  usage(): readonly TaskUsage[] {
    this.#read();
    return [...this.#measured.values()].flatMap(({ usage }) => (usage ? [usage] : []));
  }

  #read(): void {
    const before = this.#measured;
    this.#measured = new Map();
    for (const { task, status } of this.#options.tasks()) {
      if (!this.#services.has(task.serviceId) || status.state !== TaskState.RUNNING) continue;
      const now = this.#options.load(task.id);
      if (now) this.#measured.set(task.id, next(task.id, before.get(task.id), now));
    }
  }
}

function next(taskId: string, before: Measurement | undefined, now: LoadCounters): Measurement {
  if (!before) return { from: now, usage: undefined };
  const elapsed = now.readAtNs - before.from.readAtNs;
  if (elapsed < SHORTEST) return before;
  const rate = (from: number, to: number) => (Math.max(0, to - from) * 1e9) / Number(elapsed);
  const usage = {
    taskId,
    nanoCpus: Math.round(rate(before.from.cpuNs, now.cpuNs)),
    connectionsPerSecond: rate(before.from.connections, now.connections),
  };
  return { from: now, usage };
}
