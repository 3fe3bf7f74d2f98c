import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../../../lib/errors.js';
import { Simulation } from './simulation.js';
import { Violation } from './violation.js';

/** What a hunter is given: it runs the seeds from 0 to the first that breaks something. */
export interface Hunt {
  readonly seeds: number;
  readonly steps: number;
}

export interface Finding {
  readonly seed: number;
  /** The invariant that was broken, or the name of the error with which the core gave up. */
  readonly breaks: string;
  readonly message: string;
}

/** Runs in a thread of its own, with whatever core it was built with. */
function hunt({ seeds, steps }: Hunt): Finding | undefined {
  for (let seed = 0; seed < seeds; seed++) {
    try {
      new Simulation(seed).run(steps);
    } catch (error) {
      const breaks = error instanceof Violation ? error.invariant : error instanceof Error ? error.name : 'unknown';
      return { seed, breaks, message: messageOf(error) };
    }
  }
  return undefined;
}

parentPort?.postMessage(hunt(workerData as Hunt));
