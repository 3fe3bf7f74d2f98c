import { isDeepStrictEqual } from 'node:util';
import type { NodeProblem } from '../../proto/gen/index.js';
import { Wake } from '../wake.js';

export interface Acknowledgement {
  readonly sequence: number;
  readonly problems: readonly NodeProblem[];
  /** Of the key ring that the kernel shows; 0: none. */
  readonly networkKeyClock: number;
  /** Time of the key that it sends under and has few packets left for; 0: none. */
  readonly wornNetworkKey: number;
}

/** Tells a manager the newest sequence that the kernel shows, and again when its problems change. */
export class Acknowledger {
  readonly #wake = new Wake();
  #newest: Acknowledgement | undefined;

  /** An older sequence that comes late, and one that was told already in the same words, are not told. */
  put(newest: Acknowledgement): void {
    const told = this.#newest;
    if (told && (newest.sequence < told.sequence || isDeepStrictEqual(newest, told))) return;
    this.#newest = newest;
    this.#wake.notify();
  }

  /** The same sequence with other news of the kernel; before the first one, 0 stands for none. */
  update(news: Omit<Acknowledgement, 'sequence'>): void {
    if (this.#newest || news.problems.length > 0) this.put({ ...news, sequence: this.#newest?.sequence ?? 0 });
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
