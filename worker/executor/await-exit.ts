import { Backoff } from '../../lib/backoff.js';
import type { Clock } from '../../lib/clock.js';
import { codeOf, messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import type { ContainerState, Executor } from './executor.js';

export interface AwaitExitOptions {
  readonly executor: Pick<Executor, 'wait' | 'inspect'>;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Waits for the end of a container that runs, whatever goes wrong with the waiting.
 * @returns how it is then; undefined when it is gone
 * @throws the signal's reason
 */
export async function awaitExit(
  { executor, clock, log }: AwaitExitOptions,
  id: string,
  signal: AbortSignal,
): Promise<ContainerState | undefined> {
  const backoff = new Backoff({ initial: 100, max: 8_000 });
  for (;;) {
    try {
      await executor.wait(id, signal);
      return await executor.inspect(id);
    } catch (error) {
      if (signal.aborted) throw error;
      if (codeOf(error) === 'NOT_FOUND') return undefined;
      log.error({ container: id, err: error }, `cannot wait for the container: ${messageOf(error)}`);
      await clock.sleep(backoff.next(), signal);
    }
  }
}
