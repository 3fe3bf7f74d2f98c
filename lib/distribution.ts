/** How often values of some size were seen. */
export interface DistributionCounts {
  readonly buckets: readonly {
    /** Inclusive. */
    readonly upTo: number;
    /** All values up to there. */
    readonly count: number;
  }[];
  /** Of values of any size. */
  readonly count: number;
  readonly sum: number;
}

/** Counts values by their size: little to keep, however many there are. */
export class Distribution {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #count = 0;
  #sum = 0;

  /** @param bounds in ascending order */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = bounds.map(() => 0);
  }

  observe(value: number): void {
    const bucket = this.#bounds.findIndex((bound) => value <= bound);
    if (bucket >= 0) this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#count++;
    this.#sum += value;
  }

  counts(): DistributionCounts {
    let count = 0;
    const buckets = this.#bounds.map((upTo, i) => {
      count += this.#counts[i] ?? 0;
      return { upTo, count };
    });
    return { buckets, count: this.#count, sum: this.#sum };
  }
}
