import type { NodeProblem } from '../../proto/gen/index.js';
import { Wake } from '../wake.js';

export interface Acknowledgement {
  readonly sequence: number;
  readonly problems: readonly NodeProblem[];
}

/** Tells a manager the newest sequence that the kernel shows, and again when its problems change. */
export class Acknowledger {
  readonly #wake = new Wake();
  #newest: Acknowledgement | undefined;

  /** An older sequence that comes late, and one that was told already in the same words, are not told. */
  put(sequence: number, problems: readonly NodeProblem[]): void {
    const newest = this.#newest;
    if (newest && (sequence < newest.sequence || (sequence === newest.sequence && same(problems, newest.problems))))
      return;
    this.#newest = { sequence, problems };
    this.#wake.notify();
  }

  /** The same sequence with other problems; before the first one, 0 stands for none. */
  problems(problems: readonly NodeProblem[]): void {
    if (this.#newest || problems.length > 0) this.put(this.#newest?.sequence ?? 0, problems);
  }

  /** What is to be told, until the signal aborts; for one reader, who is told the newest whenever it asks. */
  async *news(signal: AbortSignal): AsyncGenerator<Acknowledgement> {
    let told: Acknowledgement | undefined;
    while (!signal.aborted) {
      const newest = this.#newest;
      if (newest === undefined || newest === told) await this.#wake.wait(signal);
      else {
        yield newest;
        told = newest;
      }
    }
  }
}

function same(a: readonly NodeProblem[], b: readonly NodeProblem[]): boolean {
  return a.length === b.length && a.every((p, i) => p.subject === b[i]?.subject && p.message === b[i]?.message);
}
