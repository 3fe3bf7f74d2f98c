/** What two lists of a set's elements differ in. Pure. */
import { listDifference } from '../../lib/kept-list.js';

export interface ElementsDifference {
  readonly missing: readonly string[];
  readonly gone: readonly string[];
}

const NONE: ElementsDifference = { missing: [], gone: [] };

/**
 * Elements are unique in each list. Most often both have nearly the same in the same order, for what is there is what
 * was wanted before: then one walk along both finds the few that differ, and no set of all is made.
 */
export function differenceOf(wanted: readonly string[], now: readonly string[]): ElementsDifference {
  if (wanted === now) return NONE;
  const { added, removed } = listDifference(now, wanted);
  if (added.length === 0 && removed.length === 0) return NONE;
  // One that has moved is in both.
  const [wantedRest, nowRest] = [new Set(added), new Set(removed)];
  return {
    missing: [...wantedRest].filter((element) => !nowRest.has(element)),
    gone: [...nowRest].filter((element) => !wantedRest.has(element)),
  };
}
