/** A computation that may be interrupted wherever it yields: it is pure, only long. */
export type Steps<T> = Generator<void, T, void>;

/**
 * Computes it at once.
 * @param between called at each place where it may be interrupted
 */
export function finish<T>(steps: Steps<T>, between?: () => void): T {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    between?.();
  }
}
