import { messageOf } from '../../lib/errors.js';
import type { StoredContainer } from '../../proto/gen/index.js';
import type { RunnerContext } from './runner-context.js';

export type EarlyCreationContext = Pick<RunnerContext, 'executor' | 'log' | 'networkChanged' | 'sandbox'>;

/**
 * Has a container created beside the rest of its start: the runtime needs its network namespace, which is there
 * before what is to be in it. What fails here fails again, and is told, at the start.
 */
export class EarlyCreation {
  readonly #context: EarlyCreationContext;
  #wanted: StoredContainer | undefined;

  constructor(context: EarlyCreationContext) {
    this.#context = context;
  }

  /** @param record as it is to be started, without endpoints; what `networkChanged` leads to has it already */
  begin(record: StoredContainer): void {
    this.#wanted = record;
    this.#create(record).catch((error: unknown) => {
      this.#context.log.debug({ container: record.id, err: error }, `not created early: ${messageOf(error)}`);
    });
  }

  /** It is started, now or never: nothing is created any more but by that. */
  end(): void {
    this.#wanted = undefined;
  }

  /** No start follows. */
  async takeBack(id: string): Promise<void> {
    this.end();
    await this.#context.executor.uncreate(id);
  }

  async #create(record: StoredContainer): Promise<void> {
    // The runtime sets them: those of interfaces once they are there, and theirs are what the defaults are by then.
    if (Object.keys(record.config.container.sysctls).some((name) => name.startsWith('net.'))) return;
    const changed = this.#context.networkChanged();
    // To ask says that it is waited for: no pass rests then.
    this.#context.sandbox(record);
    await changed;
    if (this.#wanted !== record || this.#context.sandbox(record).state !== 'ready') return;
    await this.#context.executor.create(record.id);
  }
}
