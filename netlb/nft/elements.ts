/** What two lists of a set's elements differ in. Pure. */
import { listDifference } from '../../lib/kept-list.js';

export interface ElementsDifference {
  readonly missing: readonly string[];
  readonly gone: readonly string[];
}

/**
 * Elements are unique in each list. Most often both have nearly the same in the same order, for what is there is what
 * was wanted before: then one walk along both finds the few that differ, and no set of all is made.
 */
export function differenceOf(wanted: readonly string[], now: readonly string[]): ElementsDifference {
  if (wanted === now) return { missing: [], gone: [] };
  const { added, removed } = listDifference(now, wanted);
  // One that has moved is in both.
  const [extra, lost] = [new Set(added), new Set(removed)];
  return {
    missing: added.filter((element) => !lost.has(element)),
    gone: removed.filter((element) => !extra.has(element)),
  };
}
