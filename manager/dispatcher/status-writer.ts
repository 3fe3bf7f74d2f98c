import type { Logger } from '../../lib/log.js';
import { TaskState, type TaskStatus } from '../../proto/gen/index.js';
import { withStatus } from '../common/tasks.js';
import type { Store, WriteView } from '../store/store.js';
import { Batcher } from './batcher.js';
import { clip } from './clip.js';

/** What a node says of a task. */
export interface TaskReport {
  readonly nodeId: string;
  readonly taskId: string;
  readonly status: TaskStatus;
}

/** Writes what agents report of their tasks, many reports in one transaction. */
export class StatusWriter {
  readonly #log: Logger;
  readonly #batcher: Batcher<TaskReport>;

  constructor(store: Store, log: Logger) {
    this.#log = log;
    this.#batcher = new Batcher(async (reports) => {
      const { failed } = await store.batch(reports, (draft, report) => this.#write(draft, report));
      return failed;
    });
  }

  /** Resolves when the reports are durable. */
  async write(reports: readonly TaskReport[]): Promise<void> {
    if (reports.length > 0) await this.#batcher.add(...reports);
  }

  #write(draft: WriteView, { nodeId, taskId, status }: TaskReport): void {
    const task = draft.get('task', taskId);
    if (!task) {
      this.#log.debug({ node: nodeId, task: taskId }, 'report of a task that is not known (any more)');
      return;
    }
    if (task.nodeId !== nodeId) {
      this.#log.warn({ node: nodeId, task: taskId, owner: task.nodeId }, 'report of a task of another node');
      return;
    }
    // A task's state never moves backwards: a late report, or one from before a restart, says nothing.
    if (status.state < task.status.state || status.state < TaskState.ACCEPTED) return;
    const words = { message: clip(status.message), error: clip(status.error) };
    draft.update('task', withStatus(task, { ...status, ...words }));
  }
}
