import { yieldToLoop } from '../../lib/async.js';

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
}
