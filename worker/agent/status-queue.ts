import type { TaskStatus, TaskStatusUpdate } from '../../proto/gen/index.js';
import { Wake } from '../wake.js';

const MAX_BATCH = 1000;

/**
 * Task states that a manager has not acknowledged yet: the newest of each task, in the order in
 * which the tasks came to wait.
 */
export class StatusQueue {
  readonly #waiting = new Map<string, TaskStatus>();
  readonly #wake = new Wake();

  get size(): number {
    return this.#waiting.size;
  }

  put(taskId: string, status: TaskStatus): void {
    this.#waiting.set(taskId, status);
    this.#wake.notify();
  }

  /** The oldest waiting states; they wait on until they are acknowledged. */
  batch(max = MAX_BATCH): readonly TaskStatusUpdate[] {
    const updates: TaskStatusUpdate[] = [];
    for (const [taskId, status] of this.#waiting) {
      if (updates.length === max) break;
      updates.push({ taskId, status });
    }
    return updates;
  }

  /** A task that has got a newer state since goes on waiting. */
  acknowledge(updates: readonly TaskStatusUpdate[]): void {
    for (const { taskId, status } of updates) {
      if (this.#waiting.get(taskId) === status) this.#waiting.delete(taskId);
    }
  }

  /** Sends all that waits, and what comes, until the signal aborts. @throws what `send` throws */
  async deliver(send: (updates: readonly TaskStatusUpdate[]) => Promise<void>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const updates = this.batch();
      if (updates.length === 0) {
        await this.#wake.wait(signal);
        continue;
      }
      await send(updates);
      this.acknowledge(updates);
    }
  }
}
