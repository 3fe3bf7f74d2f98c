import { messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import type { AttachmentsClient } from '../agent/attachments.js';

/** What managers are told: that containers have endpoints in the swarm's networks no more. */
export class Detachments {
  readonly #attachments: Pick<AttachmentsClient, 'detach'>;
  readonly #log: Logger;
  /** By attachment, with the container that had it. */
  readonly #running = new Map<string, { readonly containerId: string; readonly done: Promise<void> }>();
  #signal: AbortSignal | undefined;

  constructor(attachments: Pick<AttachmentsClient, 'detach'>, log: Logger) {
    this.#attachments = attachments;
    this.#log = log;
  }

  /** From now on, until the signal aborts, they are told. */
  begin(signal: AbortSignal): void {
    this.#signal = signal;
  }

  /** In the background: when no manager answers, the next assignments remind of it. */
  tell(taskId: string, containerId: string): void {
    const signal = this.#signal;
    if (!signal || this.#running.has(taskId)) return;
    const done = this.#attachments
      .detach(taskId, signal)
      .catch((error: unknown) => {
        if (!signal.aborted) this.#log.warn({ task: taskId }, `cannot detach: ${messageOf(error)}`);
      })
      .finally(() => this.#running.delete(taskId));
    this.#running.set(taskId, { containerId, done });
  }

  /** Resolves when managers have been told what is under way of a container. */
  async told(containerId: string): Promise<void> {
    const own = [...this.#running.values()].filter((detachment) => detachment.containerId === containerId);
    await Promise.all(own.map(({ done }) => done));
  }
}
