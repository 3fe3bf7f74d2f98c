import { yieldToLoop } from './async.js';
import type { Steps } from './steps.js';

/** Milliseconds of synchronous work after which the event loop gets a turn. */
const SLICE = 8;

/** Long work made of short synchronous steps: `pause` between two steps costs nothing until time is up. */
export class Slices {
  #since = performance.now();

  async pause(): Promise<void> {
    if (performance.now() - this.#since < SLICE) return;
    await yieldToLoop();
    this.#since = performance.now();
  }

  /** A long computation, with turns of the event loop in between. */
  async run<T>(steps: Steps<T>): Promise<T> {
    for (;;) {
      const step = steps.next();
      if (step.done) return step.value;
      await this.pause();
    }
  }
}
