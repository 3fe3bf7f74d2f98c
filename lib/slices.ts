import { yieldToLoop } from './async.js';
import type { Steps } from './steps.js';

/** Milliseconds of synchronous work after which the event loop gets a turn. */
const SLICE = 8;

/** Long work made of short synchronous steps: `pause` between two steps costs nothing until time is up. */
export class Slices {
  readonly #giveWay: () => void;
  #since = performance.now();

  /** @param giveWay called at every pause */
  constructor(giveWay: () => void = () => {}) {
    this.#giveWay = giveWay;
  }

  async pause(): Promise<void> {
    this.#giveWay();
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
