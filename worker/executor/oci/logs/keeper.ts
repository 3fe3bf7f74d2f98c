import { join } from 'node:path';
import type { Clock } from '../../../../lib/clock.js';
import { messageOf } from '../../../../lib/errors.js';
import type { Logger } from '../../../../lib/log.js';
import type { Container } from '../container/container.js';
import { rotateLog } from './files.js';

/** How often the files are looked at: what is written in this time may go beyond their limit. */
const PERIOD_MS = 1000;

/** Has the logs of running containers go on in new files when they reach their sizes. */
export class LogKeeper {
  readonly #containers: () => Iterable<Container>;
  readonly #clock: Clock;
  readonly #log: Logger;
  /** Containers whose monitors were told to open a new file. */
  readonly #awaited = new WeakSet<Container>();
  #cancel: () => void = () => undefined;
  #round: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(containers: () => Iterable<Container>, clock: Clock, log: Logger) {
    this.#containers = containers;
    this.#clock = clock;
    this.#log = log;
    this.#wait();
  }

  /** Resolves when nothing is under way any more. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#round;
  }

  #wait(): void {
    if (this.#closed) return;
    this.#cancel = this.#clock.after(PERIOD_MS, () => {
      this.#round = this.#look().finally(() => this.#wait());
    });
  }

  async #look(): Promise<void> {
    for (const container of [...this.#containers()]) await this.#keep(container);
  }

  async #keep(container: Container): Promise<void> {
    const { folder, prepared } = container;
    if (!container.running || prepared.log.driver === 'none') return;
    try {
      const awaited = this.#awaited.has(container);
      if (await rotateLog(folder.log, join(folder.path, 'ctl'), prepared.log, awaited)) this.#awaited.add(container);
      else this.#awaited.delete(container);
    } catch (error) {
      // One that is being removed takes its files along.
      if (container.gone.signal.aborted || !container.running) return;
      this.#log.error({ container: container.id, err: error }, `its log cannot be rotated: ${messageOf(error)}`);
    }
  }
}
