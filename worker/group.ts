import { setMaxListeners } from 'node:events';

/**
 * Runs several loops as one: when one ends or fails, or the signal aborts, all others are told to
 * end. Resolves when all have ended. @throws the first error
 */
export async function runTogether(
  signal: AbortSignal,
  loops: readonly ((signal: AbortSignal) => Promise<void>)[],
): Promise<void> {
  const controller = new AbortController();
  // As many as there are tasks wait for it.
  setMaxListeners(0, controller.signal);
  const abort = () => controller.abort(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  const failures: unknown[] = [];
  const run = async (loop: (signal: AbortSignal) => Promise<void>) => {
    try {
      await loop(controller.signal);
    } catch (error) {
      if (!controller.signal.aborted) failures.push(error);
    } finally {
      controller.abort();
    }
  };
  try {
    await Promise.all(loops.map(run));
  } finally {
    signal.removeEventListener('abort', abort);
  }
  if (failures.length > 0) throw failures[0];
}

export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
