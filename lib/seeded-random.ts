import { newId } from './ids.js';

/** A source of whole numbers: `next(n)` is in 0..n-1. */
export type Random = (below: number) => number;

/** mulberry32: the same numbers for the same seed, so that what fails can be replayed. */
export function seeded(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** New ids, the same for the same seed. */
export function seededIds(seed: number): () => string {
  const next = seeded(seed);
  return () => newId((size) => Uint8Array.from({ length: size }, () => next(256)));
}
