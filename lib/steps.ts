/** A computation that may be interrupted wherever it yields: it is pure, only long. */
export type Steps<T> = Generator<void, T, void>;

/** Computes it at once. */
export function finish<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}
