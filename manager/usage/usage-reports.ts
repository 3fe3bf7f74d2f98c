import { invalidArgument } from '../../lib/errors.js';
import type { Task, TaskUsage } from '../../proto/gen/index.js';

/** What a task uses, as its node has told. */
export interface Usage {
  /** When it was told, by the clock's `monotonic`. */
  readonly at: number;
  readonly nanoCpus: number;
  readonly connectionsPerSecond: number;
}

interface Report {
  readonly at: number;
  readonly tasks: ReadonlyMap<string, TaskUsage>;
}

/**
 * What tasks use, in memory of the manager that leads and nowhere else: it is old within seconds. Each node's
 * report takes the place of its last one, so there is never more than what nodes run.
 */
export class UsageReports {
  readonly #reports = new Map<string, Report>();

  /**
   * @param now by the clock's `monotonic`
   * @throws INVALID_ARGUMENT for a number that no task can use
   */
  report(nodeId: string, usage: readonly TaskUsage[], now: number): void {
    for (const { taskId, nanoCpus, connectionsPerSecond } of usage) {
      for (const number of [nanoCpus, connectionsPerSecond]) {
        if (Number.isFinite(number) && number >= 0) continue;
        throw invalidArgument(`task ${taskId} cannot use ${number}`, { value: String(number) });
      }
    }
    if (usage.length === 0) this.#reports.delete(nodeId);
    else this.#reports.set(nodeId, { at: now, tasks: new Map(usage.map((task) => [task.taskId, task])) });
  }

  /** What the node on which the task is has told of it; a node cannot speak for another one's tasks. */
  of({ id, nodeId }: Pick<Task, 'id' | 'nodeId'>): Usage | undefined {
    const report = this.#reports.get(nodeId);
    const usage = report?.tasks.get(id);
    if (!report || !usage) return undefined;
    return { at: report.at, nanoCpus: usage.nanoCpus, connectionsPerSecond: usage.connectionsPerSecond };
  }

  forget(nodeId: string): void {
    this.#reports.delete(nodeId);
  }

  clear(): void {
    this.#reports.clear();
  }
}
